/**
 * The HTML of job summaries as Markdown: `core.summary` of `@actions/core` writes tables, headings, lists and links as HTML.
 * A tag that is not known, and every attribute but `href` and `alt`, is dropped; text stays. Linear, no nesting is kept.
 */

/** Holds no tag any more. */
export function htmlToMarkdown(html: string): string {
  let markdown = "";
  let preformatted = false;
  let row: string[] | undefined;
  let rows = 0;
  const links: string[] = [];

  function write(text: string): void {
    const cell = row?.length ?? 0;
    if (row !== undefined && cell > 0) row[cell - 1] = (row[cell - 1] ?? "") + text.replaceAll(/\s+/g, " ");
    else markdown += text;
  }

  for (const [whole, close, name = "", attributes = ""] of html.replaceAll(comment, "").matchAll(tagOrText)) {
    const opens = close === "";
    const tag = name.toLowerCase();
    if (tag === "") write(preformatted ? whole : whole.replaceAll(/[ \t]*\n\s*/g, "\n").replaceAll(/[<>]/g, escapeTag));
    else if (/^h[1-6]$/.test(tag)) write(opens ? `\n\n${"#".repeat(Number(tag[1]))} ` : "\n\n");
    else if (tag === "summary") write(opens ? "\n\n**▸ " : "**\n\n");
    else if (tag === "b" || tag === "strong") write("**");
    else if (tag === "i" || tag === "em") write("*");
    else if (tag === "pre") {
      preformatted = opens;
      write(opens ? "\n\n```\n" : "\n```\n\n");
    } else if (tag === "code" && !preformatted) write("`");
    else if (tag === "li" && opens) write("\n- ");
    else if (tag === "br") write(row === undefined ? "  \n" : " ");
    else if (tag === "hr") write("\n\n---\n\n");
    else if (tag === "a") {
      if (opens) links.push(attribute(attributes, "href"));
      write(opens ? "[" : `](<${links.pop() ?? ""}>)`);
    } else if (tag === "img") write(`[${attribute(attributes, "alt")}]`);
    else if (tag === "table") {
      if (row !== undefined && !opens) endRow();
      rows = 0;
      markdown += "\n\n";
    } else if (tag === "tr") {
      if (row !== undefined) endRow();
      row = opens ? [] : undefined;
    } else if ((tag === "td" || tag === "th") && opens) row?.push("");
    else if (blocks.has(tag)) write("\n\n");
  }
  if (row !== undefined) endRow();
  return markdown;

  function endRow(): void {
    const cells = (row ?? []).map((cell) => cell.trim().replaceAll("|", "\\|"));
    row = undefined;
    if (cells.length === 0) return;
    markdown += `| ${cells.join(" | ")} |\n`;
    rows += 1;
    if (rows === 1) markdown += `|${cells.map(() => "---").join("|")}|\n`;
  }
}

const comment = /<!--[^]*?(?:-->|$)/g;
/** `<https://…>` is no tag. */
const tagOrText = /<(\/?)([a-z][a-z0-9-]*)((?:\s[^<>]*|\/)?)>|[^<]+|</gi;
const blocks = new Set(["p", "div", "ul", "ol", "details", "blockquote", "section"]);

function escapeTag(bracket: string): string {
  return bracket === "<" ? "&lt;" : "&gt;";
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"']+))`, "i").exec(attributes);
  return (value?.[1] ?? value?.[2] ?? value?.[3] ?? "").replaceAll(/[<>\n]/g, "");
}
