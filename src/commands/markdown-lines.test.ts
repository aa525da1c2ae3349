import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { htmlToMarkdown } from "./html-to-markdown.ts";
import type { Line } from "./line.ts";
import { markdownLines } from "./markdown-lines.ts";

function shown(markdown: string, columns = 40): string[] {
  return markdownLines(markdown, columns).map((line) => line.map(({ text }) => text).join(""));
}

function styled(lines: readonly Line[], style: string): string[] {
  return lines.flat().flatMap((span) => (span.style === style ? [span.text] : []));
}

describe("Markdown in a terminal", () => {
  it("shows headings, lists, quotes, code and links, with one blank line between blocks", () => {
    const markdown = [
      "# Results",
      "All *good*, **really**: see [the docs](https://example.com/d) and https://example.com/x.",
      "- one\n  - nested\n- [x] done",
      "3. third\n4. fourth",
      "> quoted",
      "```js\nconst a =   1;\n```",
    ].join("\n\n");
    expect(shown(markdown)).toEqual([
      "Results",
      "",
      "All good, really: see the docs",
      "(https://example.com/d) and",
      "https://example.com/x.",
      "",
      "• one",
      "  • nested",
      "• [x] done",
      "",
      "3. third",
      "4. fourth",
      "",
      "│ quoted",
      "",
      "  const a =   1;",
    ]);
    expect(styled(markdownLines(markdown, 40), "bold")).toEqual(["Results", "really"]);
  });

  it("aligns tables, also by the width of emoji", () => {
    expect(shown("| Suite | Passed |\n|---|---:|\n| unit ✅ | 120 |\n| e2e | 7 |")).toEqual([
      "Suite    Passed",
      "───────  ──────",
      "unit ✅     120",
      "e2e           7",
    ]);
  });

  it("reads the HTML that @actions/core writes for summaries", () => {
    const html =
      "<h1>Test Results</h1>\n<table><tr><th>File</th><th>Result</th></tr><tr><td>foo|bar.js</td><td><b>Pass</b></td></tr></table>\n" +
      '<ul><li>a</li><li>b</li></ul>\n<a href="https://x.y">View</a>\n<pre lang="js"><code>let x = "<";</code></pre>\n<details><summary>More</summary>inside</details>\n<hr>\n';
    expect(shown(html)).toEqual([
      "Test Results",
      "",
      "File        Result",
      "──────────  ──────",
      "foo|bar.js  Pass",
      "",
      "• a",
      "• b",
      "",
      "View (https://x.y)",
      "",
      '  let x = "<";',
      "",
      "▸ More",
      "",
      "inside",
      "",
      "─".repeat(40),
    ]);
  });

  it("lets no text touch the terminal, neither as it is nor as an entity (A34)", () => {
    const hostile = "\u001b[2J\u001b]52;c;eA==\u0007&#27;[2J&#x1b;]0;t&#7;\u202e";
    const markdown = `# ${hostile}\n\n\`${hostile}\` [${hostile}](${hostile})\n\n| ${hostile} |\n|-|\n| ${hostile} |\n\n\`\`\`\n${hostile}\n\`\`\`\n\n<b>${hostile}</b>\n\n<table><tr><td>${hostile}</table>`;
    expect(shown(markdown).join("")).not.toMatch(/[\p{Cc}\u202e]/u);
    assert(
      property(string({ unit: "binary", maxLength: 300 }), (text) => {
        for (const line of [...shown(text), ...shown(`<table>${text}`)]) expect(line).not.toMatch(/(?!\t)\p{Cc}/u);
      }),
    );
  });

  it.each([
    ["brackets", "[".repeat(60_000)],
    ["emphasis", "_a__b".repeat(12_000)],
    ["quotes in quotes", "> ".repeat(30_000)],
    ["lists in lists", Array.from({ length: 300 }, (_, depth) => `${" ".repeat(depth * 2)}- a`).join("\n")],
    ["backticks", "`a``".repeat(15_000)],
    ["open tags", "<a ".repeat(20_000)],
    ["tables in tables", "<table><tr><td>".repeat(4_000)],
    ["a megabyte", "**a** ".repeat(180_000)],
  ])("takes hostile %s in its stride", (_, markdown) => {
    const before = process.cpuUsage();
    expect(shown(markdown).length).toBeGreaterThanOrEqual(0);
    // Seconds where something is exponential or deeply recursive; what is quadratic is bounded by the size that is parsed. Of the
    // processor's time: a busy host makes everything late.
    expect(process.cpuUsage(before).user).toBeLessThan(8_000_000);
  });

  it("leaves no tag behind when HTML becomes Markdown", () => {
    assert(
      property(string({ unit: "grapheme-ascii", maxLength: 200 }), (text) => {
        expect(htmlToMarkdown(`<div>${text}<p`)).not.toMatch(/<\/?(?:div|p|table)\b[^>]*>/i);
      }),
    );
  });
});
