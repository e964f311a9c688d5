/** Writes `config.toml` from the table of keys: `deno task config`. */
import { renderDefaults } from "../src/config/render.ts";

Deno.writeTextFileSync(new URL("../config.toml", import.meta.url), renderDefaults());
