import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '@entente/local';
import { stringify } from 'yaml';
import { prometheusFolder, ruleFiles } from './rule-files.ts';

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
/** Longer windows are played by promtool from recorded series; nothing here waits for them. */
const longestS = 900;
/** `increase()` needs samples: so many at one scrape a second, on a machine that misses some. */
const leastWindowS = 6;
/** What happens every few seconds may be so old without anybody being at fault. */
const leastAgeS = 20;

/** Every `for:`, every age in seconds and every window up to 15 minutes of an alert, this many times shorter; the rest is as it ships. */
export function shortened(rules: string, times: number): string {
  if (times === 1) return rules;
  const inSeconds = (count: string, unit: string): number => Number(count) * (seconds[unit] ?? Number.NaN);
  return rules
    .replaceAll(/^(\s+for: )(\d+)([smhd])$/gm, (_, key: string, count: string, unit: string) => {
      return `${key}${Math.max(1, Math.round(inSeconds(count, unit) / times))}s`;
    })
    .replaceAll(/\[(\d+)([smhd])\]/g, (whole, count: string, unit: string) => {
      const window = inSeconds(count, unit);
      return window > longestS ? whole : `[${Math.max(leastWindowS, Math.round(window / times))}s]`;
    })
    .replaceAll(/(time\(\) - .*> )(\d+)$/gm, (_, age: string, limit: string) => {
      return `${age}${Math.max(leastAgeS, Math.round(Number(limit) / times))}`;
    });
}

export interface Alert {
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Result {
  readonly metric: Readonly<Record<string, string>>;
}

/** A real Prometheus over these targets, with the shipped rules. */
export class PrometheusServer {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #url: string;

  private constructor(process: ChildProcess, directory: string, url: string) {
    this.#process = process;
    this.#directory = directory;
    this.#url = url;
  }

  /** @param targets service → address */
  static async start(targets: Readonly<Record<string, string>>, times: number): Promise<PrometheusServer> {
    const directory = mkdtempSync(join(tmpdir(), 'entente-prometheus-'));
    for (const file of ruleFiles) {
      const rules = readFileSync(join(prometheusFolder, file), 'utf8');
      writeFileSync(join(directory, file), file === 'alerts.yml' ? shortened(rules, times) : rules);
    }
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [...ruleFiles],
      scrape_configs: [
        {
          job_name: 'entente',
          static_configs: Object.entries(targets).map(([service, at]) => ({
            targets: [new URL(at).host],
            labels: { service },
          })),
        },
      ],
    };
    writeFileSync(join(directory, 'prometheus.yml'), stringify(config));
    const [port] = (await freePorts(1)) as [number];
    const address = `127.0.0.1:${port}`;
    const process = spawn(
      'prometheus',
      [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=${address}`,
        '--enable-feature=exemplar-storage',
      ],
      { stdio: 'ignore' },
    );
    await Promise.race([
      once(process, 'spawn'),
      once(process, 'error').then(([error]: unknown[]) => {
        throw new Error(`prometheus cannot be run (${String(error)}): install Debian's package prometheus`);
      }),
    ]);
    return new PrometheusServer(process, directory, `http://${address}`);
  }

  async firing(): Promise<Alert[]> {
    const { data } = await this.#get<{ data: { alerts: Alert[] } }>('/api/v1/alerts');
    return data.alerts.filter(({ state }) => state === 'firing');
  }

  /** Series that answer this query now. */
  async query(expr: string): Promise<readonly Result[]> {
    const asked = `/api/v1/query?query=${encodeURIComponent(expr)}`;
    return (await this.#get<{ data: { result: readonly Result[] } }>(asked)).data.result;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.kill()) await once(this.#process, 'exit');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #get<T>(path: string): Promise<T> {
    return (await (await fetch(`${this.#url}${path}`)).json()) as T;
  }
}
