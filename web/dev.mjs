// The page with a gateway in Node, for work on it without the program: node web/dev.mjs [--traffic]
// Prints the address. Needs `npm ci --prefix sdk/js`.
import { serveDemo } from "../sdk/js/test/fake/demo.js";

const demo = await serveDemo({ traffic: process.argv.includes("--traffic") });
console.log(demo.page);
