/** `on.schedule`: whether GitHub takes a cron expression (five fields, ranges, lists, steps, names of months and days) and a time zone. */
interface Field {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ["", ..."jan feb mar apr may jun jul aug sep oct nov dec".split(" ")];
const DAYS = "sun mon tue wed thu fri sat".split(" ");
const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];

export function isCron(text: string): boolean {
  const parts = text.split(/ +/);
  return parts.length === FIELDS.length && FIELDS.every((field, index) => isList(parts[index] ?? "", field));
}

/** GitHub starts a workflow no more often; asking for more is no fault, and not what happens. */
export const SHORTEST_INTERVAL_MINUTES = 5;

/** The shortest time between two runs, as far as the minutes say it: 60 where there is one in an hour. For a valid expression. */
export function intervalMinutes(cron: string): number {
  const [text = ""] = cron.split(/ +/);
  const minutes = Array.from({ length: 60 }, (_, minute) => minute).filter((minute) => isInList(text, minute));
  const gaps = minutes.map((minute, index) => (minutes[index + 1] ?? (minutes[0] ?? minute) + 60) - minute);
  return Math.min(60, ...gaps);
}

/** A name of the IANA database; an offset such as `+02:00` is none. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function isInList(text: string, number: number): boolean {
  return text.split(",").some((part) => {
    const [range = "", step] = part.split("/");
    const [from = 0, to] = range === "*" ? [0, 59] : range.split("-").map(Number);
    const last = to ?? (step === undefined ? from : 59);
    return from <= number && number <= last && (number - from) % Number(step ?? 1) === 0;
  });
}

function isList(text: string, field: Field): boolean {
  return text.split(",").every((part) => {
    const [range = "", step, ...more] = part.split("/");
    const isStep = step === undefined || (/^\d+$/.test(step) && Number(step) > 0 && Number(step) <= field.max);
    return more.length === 0 && isStep && isRange(range, field);
  });
}

function isRange(text: string, field: Field): boolean {
  if (text === "*") return true;
  const [from, to, ...more] = text.split("-").map((part) => numberOf(part, field));
  if (from === undefined || more.length > 0) return false;
  return to === undefined ? isWithin(from, field) : isWithin(from, field) && isWithin(to, field) && from <= to;
}

function numberOf(text: string, { names }: Field): number {
  if (/^\d+$/.test(text)) return Number(text);
  return text === "" ? Number.NaN : names.indexOf(text.toLowerCase());
}

function isWithin(number: number, { min, max }: Field): boolean {
  return number >= min && number <= max;
}
