/** The templates of this host with the names of their images, and the end of those that nobody wants any more. */
import type { Hearth, TemplateSummary } from "./commands/hearth.ts";
import { listImages } from "./image/image-store.ts";
import { listTemplates, pruneTemplates } from "./template/template-store.ts";
import type { Template } from "./template/template-store.ts";

type Templates = Hearth["machines"]["templates"];

export function hostTemplates(dataDir: string, now: () => number): Templates {
  const nameImages = async (): Promise<(template: Template) => TemplateSummary> => {
    const images = new Map((await listImages(dataDir)).map(({ digest, name }) => [digest, name]));
    return (template) => summaryOf(template, images.get(template.parts.image));
  };
  return {
    list: async () => (await listTemplates(dataDir)).map(await nameImages()),
    async prune({ all, olderThanMs }, signal) {
      const summarize = await nameImages();
      const isWanted = (template: Template): boolean =>
        !all &&
        summarize(template).image !== null &&
        (olderThanMs === undefined || now() - template.usedAt.getTime() <= olderThanMs);
      const removed: TemplateSummary[] = [];
      for (const provider of new Set((await listTemplates(dataDir)).map(({ parts }) => parts.provider))) {
        const gone = await pruneTemplates(dataDir, { provider, isWanted, keep: Number.POSITIVE_INFINITY, signal });
        removed.push(...gone.map(summarize));
      }
      return removed;
    },
  };
}

function summaryOf(template: Template, image: string | undefined): TemplateSummary {
  const { key, parts, impossible, madeAt, usedAt, sizeBytes, inUse } = template;
  return {
    key,
    provider: parts.provider,
    image: image ?? null,
    imageDigest: parts.image,
    sizeBytes,
    madeAt: madeAt.toISOString(),
    usedAt: usedAt.toISOString(),
    inUse,
    impossible: impossible ?? null,
  };
}
