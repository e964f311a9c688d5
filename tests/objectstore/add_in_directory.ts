/** `add_in_directory.ts DIRECTORY NAME TIMES`: a process of its own that adds 1 to an object, by replacing it. */
import { openDirectoryStore } from "../../src/objectstore/directory_store.ts";
import { StoreError } from "../../src/objectstore/store.ts";

const [path, name, times] = Deno.args as [string, string, string];
const store = openDirectoryStore({ path });
for (let done = 0; done < Number(times);) {
  const { bytes, etag } = (await store.get(name))!;
  const next = new TextEncoder().encode(String(Number(new TextDecoder().decode(bytes)) + 1));
  try {
    await store.put(name, next, { condition: { ifMatch: etag } });
    done++;
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== "precondition") throw error;
  }
}
Deno.exit(0);
