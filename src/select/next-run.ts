/**
 * When an entry of `on.schedule` is due next. In a time zone with daylight saving time a time that is skipped moves to the end
 * of the gap, and one that comes twice fires the first time. Source: ACTIONS-CONTRACT §7.2, GitHub "Events that trigger
 * workflows", schedule.
 */
import { Cron } from "croner";
import { isCron, isTimeZone } from "../workflow/cron.ts";

/** `timezone` undefined: UTC. Undefined for an expression or a time zone that there is not, and for a day that never comes. */
export function nextRun(cron: string, timezone: string | undefined, after: Date): Date | undefined {
  // croner takes more than GitHub: seconds, years, nicknames, days counted from the end.
  if (!isCron(cron) || (timezone !== undefined && !isTimeZone(timezone))) return undefined;
  // `sloppyRanges`: GitHub takes `20/15`, every 15 from 20 on.
  const options = { timezone: timezone ?? "UTC", paused: true, mode: "5-part", sloppyRanges: true } as const;
  return new Cron(cron, options).nextRun(after) ?? undefined;
}
