/** Reading the reader's tokens: what a mapping holds under a key, and literals as the values they are. */
import {
  BooleanToken,
  MappingToken,
  SequenceToken,
  StringToken,
  type TemplateToken,
} from "@actions/workflow-parser/templates/tokens/index";

export interface TokenEntry {
  readonly name: string;
  readonly key: TemplateToken;
  readonly value: TemplateToken;
}

/** Empty where the token is no mapping. Keys that are expressions have no name and are left out. */
export function entriesOf(token: TemplateToken | undefined): readonly TokenEntry[] {
  if (!(token instanceof MappingToken)) return [];
  return [...token]
    .filter(({ key }) => !key.isExpression)
    .map(({ key, value }) => ({ name: key.toString(), key, value }));
}

export function valueAt(token: TemplateToken | undefined, name: string): TemplateToken | undefined {
  // Asked some twenty times for every step, so nothing is made on the way.
  if (!(token instanceof MappingToken)) return undefined;
  for (let index = 0; index < token.count; index += 1) {
    const { key, value } = token.get(index);
    if (!key.isExpression && key.toString() === name) return value;
  }
  return undefined;
}

/** Empty where the token is no sequence. */
export function itemsOf(token: TemplateToken | undefined): readonly TemplateToken[] {
  return token instanceof SequenceToken ? [...token] : [];
}

/** Text only: what the schema asks to be text is text by now. */
export function textOf(token: TemplateToken | undefined): string | undefined {
  return token instanceof StringToken ? token.value : undefined;
}

export function isTrue(token: TemplateToken | undefined): boolean {
  return token instanceof BooleanToken && token.value;
}

/** A text alone stands for a list of one. Undefined where there is neither. */
export function textListOf(token: TemplateToken | undefined): readonly StringToken[] | undefined {
  if (token instanceof StringToken) return [token];
  if (!(token instanceof SequenceToken)) return undefined;
  return [...token].filter((item) => item instanceof StringToken);
}
