/** A workflow that puts the canaries, in every encoding, into every place that it can reach. */
import { join } from "node:path";
import { CANARIES } from "./canaries.ts";

/** Given the secrets in its environment, and nothing else of this test. */
export const LEAK = `
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { ENCODINGS } from ${JSON.stringify(join(import.meta.dirname, "canaries.ts"))};
const secrets = Object.entries(process.env).filter(([name]) => name.startsWith("CANARY_"));
mkdirSync("leaked");
let number = 0;
for (const [name, value] of secrets) {
  for (const [encoding, encode] of Object.entries(ENCODINGS)) {
    const text = encode(value);
    const line = text.replaceAll("\\n", "%0A");
    number += 1;
    console.log("out", encoding, text);
    console.error("err", encoding, text);
    console.log("::group::" + text);
    console.log("::endgroup::");
    console.log("::debug::" + line);
    console.log("::error file=a.ts,line=1,title=" + line + "::" + line);
    console.log("::notice file=" + line + "::" + line);
    console.log("\\u001b[31m" + text.slice(0, 9) + "\\u001b[32m" + text.slice(9) + "\\u001b[0m");
    appendFileSync(process.env.GITHUB_STEP_SUMMARY, "- " + text + "\\n");
    appendFileSync(process.env.GITHUB_OUTPUT, "o" + number + "<<EOF_9\\n" + text + "\\nEOF_9\\n");
    appendFileSync(process.env.GITHUB_ENV, "LEAK_" + number + "<<EOF_9\\n" + text + "\\nEOF_9\\n");
    writeFileSync("leaked/" + number + ".txt", text);
  }
}
for (let piece = 0; piece < 23; piece += 1) {
  process.stdout.write(process.env.CANARY_ASCII.slice(piece, piece + 1));
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log();
console.log("tried " + number);
`;

const names = Object.keys(CANARIES);
const env = names.map((name) => `${name}: "\${{ secrets.${name} }}"`).join(", ");
const each = (step: (name: string) => string): string =>
  names.map((name) => `      - { ${step(name)}, continue-on-error: true }\n`).join("");

/** `script`: path of a file with `LEAK`; `last`: the command of its last step. */
export function leakyWorkflow(script: string, last: string): string {
  return `
on: push
permissions: { issues: write }
jobs:
  leak:
    runs-on: ubuntu-latest
    outputs: { ${names.map((name, index) => `p${index}: "\${{ steps.leak.outputs.o${index * 14 + 1} }}"`).join(", ")} }
    environment: { name: production, url: "https://example.com/\${{ steps.leak.outputs.o1 }}" }
    steps:
      - { id: leak, env: { ${env} }, run: 'node --no-warnings "${script}"' }
${each((name) => `name: "named \${{ secrets.${name} }}", run: "true"`)}${each((name) => `run: "\${{ toJSON(secrets.${name}) }}"`)}${each(
    (name) => `run: "true", working-directory: "/nowhere/\${{ secrets.${name} }}"`,
  )}${each((name) => `env: { V: "\${{ secrets.${name} }}" }, run: "node -e 'throw new Error(process.env.V)'"`)}${each(
    (name) => `uses: actions/upload-artifact@v7, with: { name: "a-${name}", path: leaked }`,
  )}      - { uses: actions/upload-artifact@v7, with: { name: one, path: leaked/1.txt }, continue-on-error: true }
      - { uses: actions/cache/save@v5, with: { path: leaked, key: all }, continue-on-error: true }
      - { uses: actions/upload-artifact@v7, with: { name: "\${{ secrets.CANARY_ASCII }}", path: /etc/hostname }, continue-on-error: true }
      - { uses: actions/cache/save@v5, with: { path: /etc/hostname, key: "\${{ secrets.CANARY_ASCII }}" }, continue-on-error: true }
      - env: { ${env}, TOKEN: "\${{ github.token }}" }
        continue-on-error: true
        run: |
          node --input-type=module -e '
            for (const value of Object.values(process.env).filter((value) => value.includes("canary") || value.includes("CANARY"))) {
              const answer = await fetch(process.env.GITHUB_API_URL + "/repos/" + process.env.GITHUB_REPOSITORY + "/issues", {
                method: "POST",
                headers: { authorization: "Bearer " + process.env.TOKEN, "content-type": "application/json" },
                body: JSON.stringify({ title: value, body: value }),
              });
              console.log(answer.status, await answer.text());
            }'
      - { run: echo leaked everything }
      - { run: "${last}" }
  after:
    needs: leak
    if: always()
    name: "after \${{ needs.leak.outputs.p0 }}"
    runs-on: ubuntu-latest
    steps: [{ name: "got \${{ needs.leak.outputs.p4 }}", run: "echo '\${{ toJSON(needs) }}'" }]
`;
}
