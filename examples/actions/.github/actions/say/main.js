const fs = require("node:fs");

const greeting = process.env.INPUT_WORDS + process.env.INPUT_MARK;
console.log(greeting);
fs.appendFileSync(process.env.GITHUB_OUTPUT, `greeting<<END\n${greeting}\nEND\n`);
fs.appendFileSync(process.env.GITHUB_STATE, `said=${greeting}\n`);
