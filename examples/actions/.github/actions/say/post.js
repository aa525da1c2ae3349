console.log(`::notice title=Post step::said ${process.env.STATE_said}`);
if (process.env.STATE_said !== process.env.INPUT_WORDS + process.env.INPUT_MARK) process.exit(1);
