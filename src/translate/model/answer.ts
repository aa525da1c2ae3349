/**
 * What a model answers: JSON of one schema, turned into the text of a composite action with the inputs of the action it stands
 * for. The answer is untrusted; what is made of it goes through `check-translation.ts` like any other translation. Pure.
 */
import { stringify } from "yaml";
import { z } from "zod";
import { readManifest } from "../../action/manifest.ts";
import type { ActionManifest } from "../../action/manifest.ts";
import type { TranslationRequest } from "../translator.ts";

const MAX_ANSWER_CHARACTERS = 64 << 10;

const Pair = z.strictObject({ name: z.string().min(1).max(200), value: z.string().max(10_000) });

/** Lists of pairs, not records: not every server can hold a model to a record. All members are there; an empty text is none. */
export const Answer = z.strictObject({
  steps: z
    .array(
      z.strictObject({
        id: z.string().max(100),
        name: z.string().max(200),
        shell: z.enum(["bash", "sh"]),
        run: z.string().min(1).max(30_000),
        if: z.string().max(1000),
        working_directory: z.string().max(1000),
        env: z.array(Pair).max(100),
      }),
    )
    .max(50),
  outputs: z.array(Pair).max(100),
  inputs_used: z.array(z.string().max(100)).max(100),
});

type Answer = z.infer<typeof Answer>;

export type ReadAnswer =
  | { readonly kind: "read"; readonly manifest: string }
  /** `reason` is for the model as well as for a person, and holds no text of the answer. */
  | { readonly kind: "unreadable"; readonly reason: string }
  /** It says that it cannot. */
  | { readonly kind: "declined" };

export function readAnswer(text: string, request: TranslationRequest): ReadAnswer {
  if (text.length > MAX_ANSWER_CHARACTERS) return { kind: "unreadable", reason: "the answer is too long" };
  const json = parseJson(text);
  if (json === undefined) return { kind: "unreadable", reason: "the answer is not one JSON object" };
  const parsed = Answer.safeParse(json.value);
  if (!parsed.success) {
    const issues = parsed.error.issues
      .slice(0, 5)
      .map(({ path, code }) => `${path.join(".") || "the answer"}: ${code}`);
    return { kind: "unreadable", reason: `the answer does not keep to the schema: ${issues.join("; ")}` };
  }
  if (parsed.data.steps.length === 0) return { kind: "declined" };
  const inputs = inputsOf(request);
  const known = new Set(Object.keys(inputs).map((name) => name.toLowerCase()));
  const strange = parsed.data.inputs_used.filter((name) => !known.has(name.toLowerCase()));
  if (strange.length > 0) return { kind: "unreadable", reason: "inputs_used names what is no input of the action" };
  return { kind: "read", manifest: manifestOf(parsed.data, inputs, request.reference) };
}

/**
 * The text as a whole, or the only fenced block in it: many models put their JSON into prose whatever they are told. Then the same
 * with line breaks in its texts as they are: llama.cpp's grammars let them through.
 */
function parseJson(text: string): { readonly value: unknown } | undefined {
  const blocks = [...text.matchAll(/^```(?:json)?[ \t]*\r?\n(.*?)^```/gmsu)].map((match) => match[1] ?? "");
  const candidates = blocks.length === 1 ? [text, ...blocks] : [text];
  for (const candidate of [...candidates, ...candidates.map(withoutRawControls)]) {
    try {
      return { value: JSON.parse(candidate) };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

/** Outside its texts JSON has no such characters but blanks. */
function withoutRawControls(json: string): string {
  return json.replaceAll(/"(?:[^"\\]|\\.)*"/gsu, (quoted) =>
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    quoted.replaceAll(/[\u0000-\u001f]/gu, (character) => JSON.stringify(character).slice(1, -1)),
  );
}

interface Input {
  readonly required?: true;
  readonly default?: string;
}

/** Those of the action with their defaults; where it cannot be read, those that the step gives. */
function inputsOf(request: TranslationRequest): Readonly<Record<string, Input>> {
  const original = request.manifest === undefined ? undefined : readOriginal(request.manifest);
  const given = original === undefined ? Object.keys(request.with) : [];
  return Object.fromEntries([
    ...given.map((name): [string, Input] => [name, {}]),
    ...(original?.inputs ?? []).map((input): [string, Input] => [input.name, inputOf(input)]),
  ]);
}

function readOriginal(text: string): ActionManifest | undefined {
  const read = readManifest("original", text);
  return read.kind === "read" ? read.manifest : undefined;
}

function inputOf({ default: value, required }: ActionManifest["inputs"][number]): Input {
  const text =
    value?.kind === "literal" ? String(value.value ?? "") : value?.kind === "expression" ? value.source : undefined;
  return { ...(required ? { required: true } : {}), ...(text === undefined ? {} : { default: text }) };
}

function manifestOf({ steps, outputs }: Answer, inputs: Readonly<Record<string, Input>>, reference: string): string {
  return stringify(
    {
      name: `Stands for ${reference}`,
      inputs,
      outputs: Object.fromEntries(outputs.map(({ name, value }) => [name, { value }])),
      runs: {
        using: "composite",
        steps: steps.map(({ id, name, shell, run, if: condition, working_directory, env }) => ({
          ...(id === "" ? {} : { id }),
          ...(name === "" ? {} : { name }),
          ...(condition === "" ? {} : { if: condition }),
          shell,
          ...(working_directory === "" ? {} : { "working-directory": working_directory }),
          ...(env.length === 0 ? {} : { env: Object.fromEntries(env.map((pair) => [pair.name, pair.value])) }),
          run: run.endsWith("\n") ? run : `${run}\n`,
        })),
      },
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}
