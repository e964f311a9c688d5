/**
 * Keys of buckets as they print.
 *
 * @module
 */
import { Double, type Json } from "../../base/json.ts";
import type { AggNode } from "./node.ts";
import type { AggResult, Bucket, BucketKey, TermsResult } from "./result.ts";
import { doubleOrText, numberText, termText, type ValueFormat } from "./value_format.ts";

type MultiBucket = Extract<AggResult, { readonly buckets: readonly Bucket[] }>;

/** A bucket's key as text: its name in a keyed answer, and in the `keys` of a pipeline. */
export function bucketName(node: AggNode, result: MultiBucket, bucket: Bucket): string {
  switch (result.kind) {
    case "terms":
      return typeof bucket.key === "string"
        ? termText(result.format, bucket.key)
        : numberText(result.format, Number(bucket.key)) ??
          (result.keyType === "double"
            ? doubleOrText(result.format, Number(bucket.key))
            : String(bucket.key));
    case "histogram":
      return node.spec.kind === "date_histogram"
        ? numberText(result.format, Number(bucket.key)) ?? String(bucket.key)
        : doubleOrText(result.format, Number(bucket.key));
    case "ranges":
      return node.spec.kind === "filters"
        ? node.spec.filters[Number(bucket.key)]?.name ?? node.spec.otherKey ?? ""
        : result.ranges[Number(bucket.key)]!.key;
    case "composite":
      return "";
  }
}

/** `key` of a terms bucket. */
export function termKey(keyType: TermsResult["keyType"], format: ValueFormat, key: BucketKey): Json {
  if (typeof key === "string") return termText(format, key);
  return keyType === "double" ? new Double(Number(key)) : key;
}
