/** Whether a cron expression is one that GitHub takes: five fields, ranges, lists, steps, names of months and days. */
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
