/** The `external_id` of a check run: which run of this server it is of, and what of it. It comes back with GitHub's buttons. */

export interface ReportId {
  /** Id of the server's run. */
  readonly run: number;
  /** From 1; 0 for what is said before the first one. */
  readonly attempt: number;
  /** Key of the job; empty for the workflow. */
  readonly job: string;
}

export function formatReportId({ run, attempt, job }: ReportId): string {
  return `hearth:${run}:${attempt}:${job}`;
}

/** Undefined for what is not of this kind. */
export function parseReportId(text: string): ReportId | undefined {
  const { run, attempt, job } =
    /^hearth:(?<run>[1-9]\d{0,14}):(?<attempt>\d{1,6}):(?<job>.*)$/s.exec(text)?.groups ?? {};
  if (run === undefined || attempt === undefined || job === undefined) return undefined;
  return { run: Number(run), attempt: Number(attempt), job };
}
