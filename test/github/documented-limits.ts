/** What GitHub says of requests in words alone, beside its schemas: https://docs.github.com/en/rest/checks/runs, /commits/statuses. */

type Json = { readonly [key: string]: unknown };

/** What is wrong with a body that the schema takes. */
export function faultsOfWords(route: string, body: unknown): readonly string[] {
  if (!isObject(body)) return [];
  if (route.endsWith("/check-runs") || route.endsWith("/check-runs/{check_run_id}")) return faultsOfCheckRun(body);
  if (route.endsWith("/statuses/{sha}")) {
    return long(body["description"], 140, "description") ?? address(body["target_url"], "target_url") ?? [];
  }
  if (route.endsWith("/comments") || route.endsWith("/comments/{comment_id}"))
    return long(body["body"], 65_536, "body") ?? [];
  return [];
}

function faultsOfCheckRun(body: Json): readonly string[] {
  const output = isObject(body["output"]) ? body["output"] : {};
  const annotations = Array.isArray(output["annotations"]) ? output["annotations"].filter(isObject) : [];
  return [
    ...(body["status"] === "completed" && body["conclusion"] === undefined ? ["completed without a conclusion"] : []),
    ...(body["completed_at"] !== undefined && body["conclusion"] === undefined
      ? ["completed_at without a conclusion"]
      : []),
    ...(body["conclusion"] === "stale" ? ["only GitHub sets the conclusion stale"] : []),
    ...(address(body["details_url"], "details_url") ?? []),
    // Measured as they travel.
    ...(long(escaped(output["summary"]), 65_535, "summary") ?? []),
    ...(long(escaped(output["text"]), 65_535, "text") ?? []),
    ...annotations.flatMap(faultsOfAnnotation),
  ];
}

function faultsOfAnnotation(annotation: Json): readonly string[] {
  const { start_line, end_line, start_column, end_column, title, message, path } = annotation;
  return [
    ...(start_line !== end_line && (start_column !== undefined || end_column !== undefined)
      ? ["an annotation of several lines has columns"]
      : []),
    ...(Number(end_line) < Number(start_line) || Number(start_line) < 1 ? ["lines of an annotation"] : []),
    ...(Number(end_column) < Number(start_column) ? ["columns of an annotation"] : []),
    ...(typeof path === "string" && /^(?:\/|$)|(?:^|\/)\.\.(?:\/|$)/.test(path) ? [`the path ${path}`] : []),
    ...(message === "" ? ["an annotation says nothing"] : []),
    ...(long(title, 255, "title") ?? []),
    ...(typeof message === "string" && Buffer.byteLength(message) > 65_536 ? ["message of more than 64 KB"] : []),
  ];
}

function long(value: unknown, limit: number, name: string): readonly string[] | undefined {
  return typeof value === "string" && value.length > limit ? [`${name} of ${value.length} characters`] : undefined;
}

function address(value: unknown, name: string): readonly string[] | undefined {
  return typeof value === "string" && !/^https?:\/\//.test(value) ? [`${name} is no http address`] : undefined;
}

function escaped(value: unknown): unknown {
  return typeof value === "string" ? JSON.stringify(value).slice(1, -1) : value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
