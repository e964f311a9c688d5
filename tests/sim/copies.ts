import type { Simulation } from "./simulation.ts";
export class Copies {
  constructor(readonly simulation: Simulation) {}
  async begin(): Promise<void> {}
  async advance(): Promise<void> {}
  async restore(): Promise<void> {}
  interrupt(): void {}
  end(): void {}
}
