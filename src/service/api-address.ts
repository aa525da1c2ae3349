/**
 * Addresses in answers. All shapes are made with GitHub's own; those of its API are turned here to where this machine reaches the
 * facade, so that clients which follow them stay here. Addresses for people stay GitHub's.
 */
import { isList, isObject } from "./api-body.ts";
import type { Json } from "./api-message.ts";

export interface ApiAddresses {
  /** In place of `https://api.github.com`. */
  readonly api: string;
  /** In place of `https://uploads.github.com`. */
  readonly uploads: string;
}

/** `origin` without a trailing slash. As a GitHub Enterprise server has them. */
export function addressesAt(origin: string): ApiAddresses {
  return { api: `${origin}/api/v3`, uploads: `${origin}/api/uploads` };
}

export function withAddresses(value: Json, addresses: ApiAddresses): Json {
  return mapAddresses(value, (url) => addressed(url, addresses));
}

/** Members that are addresses by their name: `url`, `labels_url`, `href`. Texts of people are left alone. */
export function mapAddresses(value: Json, change: (url: string) => string, key = ""): Json {
  if (typeof value === "string") return isAddressKey(key) ? change(value) : value;
  if (isList(value)) return value.map((item) => mapAddresses(item, change, key));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      member === undefined ? [] : [[name, mapAddresses(member, change, name)]],
    ),
  );
}

export function addressed(url: string, { api, uploads }: ApiAddresses): string {
  return url
    .replace(/^https:\/\/api\.github\.com(?=\/|$)/, api)
    .replace(/^https:\/\/uploads\.github\.com(?=\/|$)/, uploads);
}

/** Of a `Link` header. */
export function addressedLinks(link: string, addresses: ApiAddresses): string {
  return link.replaceAll(/<(?<url>[^>]*)>/g, (_whole, url: string) => `<${addressed(url, addresses)}>`);
}

function isAddressKey(key: string): boolean {
  return key === "url" || key === "href" || key === "self" || key === "git" || key.endsWith("_url");
}

/** As GitHub's accounts are named, those of apps included. */
export function isBoundedLogin(login: string): boolean {
  return /^[\w-]{1,39}(?:\[bot\])?$/.test(login);
}
