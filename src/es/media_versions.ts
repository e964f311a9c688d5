/**
 * The version that a client speaks, as it says in `Accept` and `Content-Type`:
 * `application/vnd.elasticsearch+json;compatible-with=8`.
 *
 * @module
 */
import { RequestError } from "../base/errors.ts";
import type { RequestContext } from "../http/context.ts";

const VENDORED = /application\/vnd\.elasticsearch\+\w+(?:-\w+)?\s*;\s*compatible-with\s*=\s*(\d+)/;
/** 7's clients send the requests of 8 that are here; 9's differ in nothing that is here. */
const VERSIONS = ["7", "8", "9"];

/** @throws {RequestError} 400 where Elasticsearch refuses a version, or a body of another version than the answer's. */
export function checkMediaVersions({ request, hasBody }: RequestContext): void {
  const accept = request.headers.get("accept");
  const contentType = hasBody ? request.headers.get("content-type") : null;
  const accepted = versionOf(accept);
  const sent = versionOf(contentType);
  if (accepted === undefined && sent === undefined) return;
  if (accepted !== undefined && !VERSIONS.includes(accepted)) {
    throw refused(`Accept version must be one of [${VERSIONS}], but found ${accepted}. Accept=${accept}`);
  }
  if (sent !== undefined && !VERSIONS.includes(sent)) {
    throw refused(
      `Content-Type version must be one of [${VERSIONS}], but found ${sent}. Content-Type=${contentType}`,
    );
  }
  if (!hasBody || accepted === sent) return;
  const rule =
    "A compatible version is required on both Content-Type and Accept headers if either one has requested " +
    "a compatible version";
  const both = accepted !== undefined && sent !== undefined ? " and the compatible versions must match" : "";
  throw refused(`${rule}${both}. Accept=${accept}, Content-Type=${contentType}`);
}

function versionOf(header: string | null): string | undefined {
  return header === null ? undefined : VENDORED.exec(header)?.[1];
}

function refused(reason: string): RequestError {
  return new RequestError("Invalid media-type value on headers [Content-Type, Accept]", {
    status: 400,
    type: "media_type_header_exception",
    headers: { "content-type": "application/json" },
    causedBy: { type: "status_exception", reason },
  });
}
