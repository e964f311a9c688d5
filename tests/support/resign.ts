/**
 * AWS's Signature Version 4 over a request that a proxy has changed. Source: AWS's "Signature Version 4 for API
 * requests", "Create a signed request".
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The request without these headers, under a signature that fits it again. */
export function withoutHeaders(
  request: SignedRequest,
  { names, secretKey }: { readonly names: readonly string[]; readonly secretKey: string },
): Map<string, string> {
  const headers = new Map([...request.headers].filter(([name]) => !names.includes(name)));
  const authorization = headers.get("authorization") ?? "";
  const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1];
  const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(";").filter((each) =>
    !names.includes(each)
  );
  if (scope === undefined || signed === undefined) return headers;
  const [path = "", query = ""] = request.target.split("?");
  const canonical = [
    request.method,
    path,
    query.split("&").filter((pair) => pair !== "").map((pair) => pair.includes("=") ? pair : `${pair}=`)
      .sort()
      .join("&"),
    ...signed.map((name) => `${name}:${(headers.get(name) ?? "").trim()}`),
    "",
    signed.join(";"),
    headers.get("x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD",
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const toSign = ["AWS4-HMAC-SHA256", headers.get("x-amz-date") ?? "", scope, hash].join("\n");
  let key: Uint8Array = new TextEncoder().encode(`AWS4${secretKey}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  headers.set(
    "authorization",
    authorization.replace(/SignedHeaders=[^,]+/, `SignedHeaders=${signed.join(";")}`)
      .replace(/Signature=\w+/, `Signature=${signature}`),
  );
  return headers;
}
