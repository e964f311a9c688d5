/**
 * Every command; the first is the default.
 *
 * @module
 */
import { type Command, SERVE } from "./arguments.ts";
import { BACKUP } from "./backup.ts";
import { RESTORE } from "./restore.ts";
import { VERIFY } from "./verify.ts";

export const COMMANDS: readonly Command[] = [SERVE, VERIFY, BACKUP, RESTORE];
