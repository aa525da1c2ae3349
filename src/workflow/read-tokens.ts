/**
 * From text to the token tree of GitHub's reader: limits, YAML, schema. What comes back has the shape the schema asks
 * for; what it means is the converters' business. Serves workflow files and action manifests.
 */
import { TemplateContext, TemplateValidationErrors } from "@actions/workflow-parser/templates/template-context";
import { readTemplate } from "@actions/workflow-parser/templates/template-reader";
import type { TemplateSchema } from "@actions/workflow-parser/templates/schema/template-schema";
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { TokenRange } from "@actions/workflow-parser/templates/tokens/token-range";
import { NoOperationTraceWriter } from "@actions/workflow-parser/templates/trace-writer";
import type { Document } from "yaml";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { Faults, type Leniency } from "./faults.ts";
import { READ_LIMITS, type ReadLimits } from "./limits.ts";
import { parseYaml } from "./parse-yaml.ts";
import { YamlTokens } from "./yaml-tokens.ts";

export type TokensResult =
  | {
      readonly kind: "read";
      readonly root: TemplateToken;
      readonly faults: Faults;
      readonly document: Document;
      /** What the file comes to, as GitHub weighs it. */
      readonly sizeBytes: number;
    }
  /** `document` is there when the text was YAML at least in part, and small enough to be looked at. */
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[]; readonly document: Document | undefined };

/** `rootType` is the schema's name for the whole file. Faults of the schema are in `faults`; a tree may come with them. */
export function readTokens(
  file: string,
  text: string,
  schema: TemplateSchema,
  rootType: string,
  isLenient: Leniency,
  limits: ReadLimits = READ_LIMITS,
): TokensResult {
  const yaml = parseYaml(file, text, limits);
  if (yaml.kind === "refused") return yaml;
  const { document, lines, sizeBytes } = yaml;
  const faults = new Faults(file, isLenient);
  const tokens = new YamlTokens(document, lines, FILE_ID, faults.places);
  const root = readTemplate(new ReaderContext(schema, faults), rootType, tokens, FILE_ID);
  if (root === undefined) return { kind: "refused", diagnostics: [...faults.errors, ...faults.warnings], document };
  return { kind: "read", root, faults, document, sizeBytes };
}

const FILE_ID = 1;

/** What GitHub's reader tells its context goes to our collection of faults. */
class ReaderContext extends TemplateContext {
  readonly #faults: Faults;

  constructor(schema: TemplateSchema, faults: Faults) {
    super(new TemplateValidationErrors(), schema, new NoOperationTraceWriter());
    this.#faults = faults;
    this.state["featureFlags"] = { isEnabled: () => true }; // background steps, which GitHub's service knows
  }

  override error(token: TemplateToken | number | undefined, fault: unknown, range?: TokenRange): void {
    this.#faults.error(typeof token === "object" ? token : undefined, fault, range);
  }
}
