import { ConsentClientConfig, Env, loadConfigOrExit } from '@entente/config';
import { IsInt, Min } from 'class-validator';

/** The whole environment of the ops service. */
export class OpsConfig extends ConsentClientConfig {
  override httpPort = 8085;
  override instance = 'ops-1';

  /** After this long without an outcome a recipient's oldest withdrawal is overdue (alert limit, ops-and-ux.md §3). */
  @Env('CONNECTOR_DEADLINE', { example: '60s', as: 'duration' })
  @IsInt()
  @Min(1_000)
  connectorDeadlineMs = 60_000;
}

export const loadOpsConfig = (): Readonly<OpsConfig> => loadConfigOrExit(OpsConfig, process.env);
