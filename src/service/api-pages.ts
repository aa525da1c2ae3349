/** Lists in pages: `page` and `per_page`, and a `Link` to the others. Source: GitHub REST "Using pagination in the REST API". */
import type { ApiCall } from "./api-call.ts";
import { apiOf } from "./api-shape.ts";
import type { ApiResponse, Json } from "./api-message.ts";
import { json } from "./api-message.ts";

export interface Page {
  /** From 1. */
  readonly number: number;
  readonly size: number;
}

const DEFAULT_SIZE = 30;
const MAX_SIZE = 100;

/** What is no number is taken for the default, and more than GitHub gives for its most. */
export function pageOf({ request }: Pick<ApiCall, "request">): Page {
  const number = Number(request.query.get("page") ?? 1);
  const size = Number(request.query.get("per_page") ?? DEFAULT_SIZE);
  return {
    number: Number.isSafeInteger(number) && number > 0 && number < 1_000_000 ? number : 1,
    size: Number.isSafeInteger(size) && size > 0 ? Math.min(size, MAX_SIZE) : DEFAULT_SIZE,
  };
}

/** The part of `items` that the request asks for. `wrap` makes the answer of it: some lists stand in an object with a count. */
export function paged<T>(
  call: ApiCall,
  items: readonly T[],
  wrap: (part: readonly T[], total: number) => Json,
): ApiResponse {
  const page = pageOf(call);
  const start = (page.number - 1) * page.size;
  const lastPage = Math.max(1, Math.ceil(items.length / page.size));
  const answer = json(wrap(items.slice(start, start + page.size), items.length));
  return { ...answer, headers: linksTo(call, page, lastPage) };
}

/** `lastPage` undefined: only whether there is a next one is known. */
export function linksTo(
  call: ApiCall,
  page: Page,
  lastPage: number | undefined,
  hasNext = false,
): Record<string, string> {
  const next = lastPage === undefined ? hasNext : page.number < lastPage;
  const targets: readonly (readonly [string, number | undefined])[] = [
    ["prev", page.number > 1 ? page.number - 1 : undefined],
    ["next", next ? page.number + 1 : undefined],
    ["last", next ? lastPage : undefined],
    ["first", page.number > 1 ? 1 : undefined],
  ];
  const links = targets.flatMap(([rel, number]) =>
    number === undefined ? [] : [`<${addressOf(call, number)}>; rel="${rel}"`],
  );
  return links.length === 0 ? {} : { Link: links.join(", ") };
}

function addressOf({ request, repository }: ApiCall, page: number): string {
  const query = new URLSearchParams(request.query);
  query.set("page", String(page));
  const [first, , , ...rest] = request.path;
  const base = first === "repos" ? apiOf(repository) : "https://api.github.com";
  const path = (first === "repos" ? rest : request.path).map(encodeURIComponent).join("/");
  return `${base}/${path}?${query.toString()}`;
}
