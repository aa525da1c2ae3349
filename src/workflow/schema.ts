/**
 * GitHub's schema of workflow files, from `@actions/workflow-parser`, made ready for its reader. Built straight from the
 * JSON, and type by type: the library's own loader checks all of it against a schema of schemas first, which takes
 * 20 ms of every start.
 * Faults of the schema that GitHub's service does not share are repaired here.
 */
import { TemplateSchema } from "@actions/workflow-parser/templates/schema/template-schema";
import { BooleanDefinition } from "@actions/workflow-parser/templates/schema/boolean-definition";
import type { Definition } from "@actions/workflow-parser/templates/schema/definition";
import type { ScalarDefinition } from "@actions/workflow-parser/templates/schema/scalar-definition";
import { NullDefinition } from "@actions/workflow-parser/templates/schema/null-definition";
import { NumberDefinition } from "@actions/workflow-parser/templates/schema/number-definition";
import { OneOfDefinition } from "@actions/workflow-parser/templates/schema/one-of-definition";
import { SequenceDefinition } from "@actions/workflow-parser/templates/schema/sequence-definition";
import { StringDefinition } from "@actions/workflow-parser/templates/schema/string-definition";
import { MappingDefinition } from "@actions/workflow-parser/templates/schema/mapping-definition";
import {
  BooleanToken,
  MappingToken,
  SequenceToken,
  StringToken,
  type TemplateToken,
} from "@actions/workflow-parser/templates/tokens/index";
// By its path: the package exports its JSON files under names that Node cannot import.
import workflowSchemaJson from "../../node_modules/@actions/workflow-parser/dist/workflow-v1.0.min.json" with { type: "json" };

type Json = string | boolean | readonly Json[] | { readonly [key: string]: Json };

type DefinitionJson = { readonly [key: string]: Json } & { readonly "allowed-values"?: readonly string[] };

/** The schema's types by name. */
export interface Definitions {
  readonly [name: string]: DefinitionJson;
}

const REPAIRED_DEFINITIONS: Definitions = {
  // Said `branch_protection_rule`, so `on: repository_dispatch` was unknown.
  "repository-dispatch-string": { string: { constant: "repository_dispatch" } },
  // Took a list only; `needs` is the schema's type for a name or a list of names.
  "repository-dispatch-mapping": { mapping: { properties: { types: "needs" } } },
  // Refused `inputs:` and `some-input:` with nothing behind them.
  "workflow-dispatch-mapping": { mapping: { properties: { inputs: "workflow-dispatch-inputs-or-null" } } },
  "workflow-dispatch-inputs-or-null": { "one-of": ["null", "workflow-dispatch-inputs"] },
  "workflow-dispatch-inputs": {
    mapping: {
      "loose-key-type": "workflow-dispatch-input-name",
      "loose-value-type": "workflow-dispatch-input-or-null",
    },
  },
  "workflow-dispatch-input-or-null": { "one-of": ["null", "workflow-dispatch-input"] },
  // Took `steps` too, which GitHub's documentation does not allow here: none has run.
  "container-env": {
    mapping: { "loose-key-type": "non-empty-string", "loose-value-type": "container-env-value" },
  },
  "container-env-value": {
    context: ["github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "job", "runner", "env"],
    string: {},
  },
};

let workflowSchema: TemplateSchema | undefined;

export function getWorkflowSchema(): TemplateSchema {
  workflowSchema ??= new LazySchema({ ...workflowSchemaJson.definitions, ...REPAIRED_DEFINITIONS });
  return workflowSchema;
}

/** A schema whose types are made when they are first asked for: a workflow needs a few dozen of some four hundred. */
export class LazySchema extends TemplateSchema {
  readonly #json: Definitions;
  readonly #scalars = new Map<Definition, ScalarDefinition[]>();

  constructor(json: Definitions) {
    super(); // with the types that every schema has
    this.#json = json;
  }

  override getDefinition(name: string): Definition {
    const known = this.definitions[name];
    if (known !== undefined) return known;
    const json = this.#json[name];
    if (json === undefined) throw new Error(`Schema definition '${name}' not found`);
    const definition = this.#make(name, json);
    this.definitions[name] = definition;
    return definition;
  }

  /** Asked for every scalar of a file, and the answer depends on the type alone. */
  override getScalarDefinitions(definition: Definition): ScalarDefinition[] {
    const known = this.#scalars.get(definition);
    if (known !== undefined) return known;
    const scalars = super.getScalarDefinitions(definition);
    this.#scalars.set(definition, scalars);
    return scalars;
  }

  #make(name: string, json: DefinitionJson): Definition {
    if (json["allowed-values"] !== undefined) return this.#makeChoice(name, json["allowed-values"]);
    const token = mappingOf(json);
    if ("mapping" in json) return makeMapping(name, token);
    if ("one-of" in json) return new OneOfDefinition(name, token);
    if ("sequence" in json) return new SequenceDefinition(name, token);
    if ("string" in json) return new StringDefinition(name, token);
    if ("boolean" in json) return new BooleanDefinition(name, token);
    if ("number" in json) return new NumberDefinition(name, token);
    return new NullDefinition(name, token);
  }

  /** One of some words is one of some types, each of which is a word. */
  #makeChoice(name: string, values: readonly string[]): Definition {
    const choice = new OneOfDefinition(name);
    for (const value of values) {
      const word = `${name}-${value}`;
      this.definitions[word] = this.#make(word, { string: { constant: value } });
      choice.oneOf.push(word);
    }
    return choice;
  }
}

function makeMapping(name: string, token: MappingToken): MappingDefinition {
  const definition = new MappingDefinition(name, token);
  // A key such as `constructor` must not be found among a plain object's inherited properties.
  Object.setPrototypeOf(definition.properties, null);
  return definition;
}

function tokenOf(json: Json): TemplateToken {
  if (typeof json === "string") return new StringToken(undefined, undefined, json, undefined);
  if (typeof json === "boolean") return new BooleanToken(undefined, undefined, json, undefined);
  if (!isArray(json)) return mappingOf(json);
  const sequence = new SequenceToken(undefined, undefined, undefined);
  for (const item of json) sequence.add(tokenOf(item));
  return sequence;
}

function mappingOf(json: { readonly [key: string]: Json }): MappingToken {
  const mapping = new MappingToken(undefined, undefined, undefined);
  for (const [key, value] of Object.entries(json)) {
    mapping.add(new StringToken(undefined, undefined, key, undefined), tokenOf(value));
  }
  return mapping;
}

function isArray(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}
