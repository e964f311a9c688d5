/**
 * The version, from the project's own file.
 *
 * @module
 */
import denoJson from "../../deno.json" with { type: "json" };

/** "0.1.0" */
export const VERSION: string = denoJson.version;
