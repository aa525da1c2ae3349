/**
 * The model of this host, as the settings have it: one translator for all plans of the process, and its inspection. Everything
 * is loaded when it is first asked for; without a model there is nothing to load.
 */
import type { Config } from "./config.ts";
import type { ModelFigures } from "./store/run-event.ts";
import type { InspectOptions, ModelReport } from "./translate/model/inspect-model.ts";
import type { ModelTranslator, ModelUse } from "./translate/model/model-translator.ts";
import { wayOutside } from "./way-outside.ts";

export interface HostModel {
  /** Undefined where none is configured. */
  readonly translator: () => Promise<ModelTranslator | undefined>;
  /** Undefined where nothing was asked for yet. */
  readonly use: () => ModelUse | undefined;
  readonly inspect: (signal: AbortSignal) => Promise<ModelReport>;
  /** Texts that must not be sent from now on. */
  readonly addSecrets: (secrets: Iterable<string>) => void;
  /** Safe to call twice. */
  readonly close: () => Promise<void>;
}

type ModelOfConfig = Pick<Config, "model" | "stateDir" | "upstreamProxy">;

/** `environment`: what it holds under names of secrets is never sent. */
export function createHostModel(config: ModelOfConfig, environment: NodeJS.ProcessEnv): HostModel {
  const secrets = new Set(secretsOf(environment));
  let known = 0;
  let holds: ((text: string) => boolean) | undefined;
  let opened: Promise<ModelTranslator> | undefined;
  let working: ModelTranslator | undefined;

  async function open(): Promise<ModelTranslator> {
    const [{ createModelTranslator }, { createSecretFinder }, fetch] = await Promise.all([
      import("./translate/model/model-translator.ts"),
      import("./joblog/secret-text.ts"),
      fetchFor(config),
    ]);
    const holdsSecret = (text: string): boolean => {
      if (holds === undefined || known !== secrets.size) holds = createSecretFinder(secrets);
      known = secrets.size;
      return holds(text);
    };
    const { model, stateDir } = config;
    const settings = { config: model, stateDir, holdsSecret, fetch, now: Date.now, random: Math.random };
    return (working = createModelTranslator(settings));
  }

  return {
    translator: async () => (config.model.kind === "off" ? undefined : (opened ??= open())),
    use: () => working?.use,
    async inspect(signal) {
      const [{ inspectModel }, fetch] = await Promise.all([
        import("./translate/model/inspect-model.ts"),
        fetchFor(config),
      ]);
      return inspectModel({ config: config.model, fetch }, signal);
    },
    addSecrets(more) {
      for (const secret of more) secrets.add(secret);
    },
    async close() {
      const translator = opened;
      opened = undefined;
      await (await translator)?.close();
    },
  };
}

/** For the event that begins a run: nothing where no model was needed. */
export function modelFigures(use: ModelUse | undefined): { readonly model?: ModelFigures } {
  if (use === undefined || use.requests + use.cacheHits + use.shared === 0) return {};
  const { requests, cacheHits, shared, tokens } = use;
  return { model: { requests, cacheHits, shared, tokens } };
}

const SECRET_NAME = /TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY/iu;

function secretsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    SECRET_NAME.test(name) && value !== undefined ? [value] : [],
  );
}

async function fetchFor({ model, upstreamProxy }: ModelOfConfig): Promise<InspectOptions["fetch"]> {
  return model.kind === "on" ? await wayOutside(model.baseUrl, upstreamProxy) : fetch;
}
