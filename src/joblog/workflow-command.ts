/**
 * Reads a workflow command out of one line of output (ACTIONS-CONTRACT §2.2). Pure; what a command does is `obey-command.ts`'s.
 * - v2 `::name key=value,key=value::data` starts the line, white space aside; what @actions/core prints.
 * - v1 `##[name key=value;key=value]data` may stand anywhere in the line; what precedes it is lost.
 * Names and keys are case-insensitive. A line that names no known command is text. Source: GitHub's runner, `ActionCommand.cs`.
 */

export interface WorkflowCommand {
  /** As written; compare in lower case. */
  readonly name: string;
  /** Keys in lower case; a key given twice has its last value. Never holds an empty value. */
  readonly properties: ReadonlyMap<string, string>;
  readonly data: string;
}

const V2 = "::";
const V1 = "##[";

/** Undefined when the line is text. `isCommand` is asked with the name in lower case. */
export function parseWorkflowCommand(line: string, isCommand: (name: string) => boolean): WorkflowCommand | undefined {
  return parseV2(line, isCommand) ?? parseV1(line, isCommand);
}

function parseV2(line: string, isCommand: (name: string) => boolean): WorkflowCommand | undefined {
  if (!line.includes(V2)) return undefined;
  const text = line.trimStart();
  if (!text.startsWith(V2)) return undefined;
  const end = text.indexOf(V2, V2.length);
  if (end === -1) return undefined;
  const head = splitHead(text.slice(V2.length, end));
  if (!isCommand(head.name.toLowerCase())) return undefined;
  return {
    name: head.name,
    properties: parseProperties(head.properties.trim(), ",", unescapeV2Property),
    data: unescapeV2Data(text.slice(end + V2.length)),
  };
}

function parseV1(line: string, isCommand: (name: string) => boolean): WorkflowCommand | undefined {
  const start = line.indexOf(V1);
  if (start === -1) return undefined;
  const end = line.indexOf("]", start);
  if (end === -1) return undefined;
  const head = splitHead(line.slice(start + V1.length, end));
  if (!isCommand(head.name.toLowerCase())) return undefined;
  return {
    name: head.name,
    properties: parseProperties(head.properties, ";", unescapeV1),
    data: unescapeV1(line.slice(end + 1)),
  };
}

function splitHead(head: string): { name: string; properties: string } {
  const space = head.indexOf(" ");
  return space === -1
    ? { name: head, properties: "" }
    : { name: head.slice(0, space), properties: head.slice(space + 1) };
}

function parseProperties(
  text: string,
  separator: string,
  unescape: (escaped: string) => string,
): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const pair of text.split(separator)) {
    // Equals signs around the key are swallowed, as by .NET's Split with RemoveEmptyEntries.
    const match = /^=*([^=]+)=+([^=][^]*)$/.exec(pair);
    if (match?.[1] !== undefined && match[2] !== undefined) properties.set(match[1].toLowerCase(), unescape(match[2]));
  }
  return properties;
}

/** `%25` comes last everywhere: an escaped percent sign must not become part of another escape. */
function unescapeV2Data(text: string): string {
  return text.includes("%") ? text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%") : text;
}

function unescapeV2Property(text: string): string {
  return unescapeV2Data(text.replaceAll("%3A", ":").replaceAll("%2C", ","));
}

function unescapeV1(text: string): string {
  return unescapeV2Data(text.replaceAll("%3B", ";").replaceAll("%5D", "]"));
}
