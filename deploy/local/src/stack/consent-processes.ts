import type { Supervisor } from '../infrastructure/supervisor.ts';
import { repositoryFile } from './paths.ts';
import { consentEnvironment, decisionsEnvironment, type Wiring } from './service-environments.ts';
import { ServiceProcess } from './service-process.ts';

/** The consent service's program in processes of their own, each for one of its tasks. */
const processOf = (name: string, port: number, env: NodeJS.ProcessEnv, supervisor: Supervisor): ServiceProcess =>
  new ServiceProcess(
    {
      name,
      entry: repositoryFile('services/consent/dist/main.js'),
      env,
      readyUrl: `http://127.0.0.1:${port}/health/ready`,
    },
    supervisor,
  );

/** Publishes, and records nothing. */
export const relayOf = (port: number, wiring: Wiring, supervisor: Supervisor): ServiceProcess =>
  processOf('relay', port, { ...consentEnvironment(wiring, port), INSTANCE: 'relay-1', API: 'off' }, supervisor);

/** Answers `POST /v1/decisions:check` from a gate replica of its own, and does nothing else. */
export const decisionsOf = (
  port: number,
  wiring: Wiring,
  recipients: readonly string[],
  supervisor: Supervisor,
): ServiceProcess => processOf('decisions', port, decisionsEnvironment(wiring, port, recipients), supervisor);
