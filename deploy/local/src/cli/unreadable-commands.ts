import { InvalidArgumentError, type Command } from 'commander';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { connect } from './running-stack.ts';

interface UnreadableRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly reason: string;
  readonly at: string;
}

/** Records of the consent logs that nobody could read: each may hide a withdrawal. */
export function registerUnreadable(program: Command): void {
  const unreadable = program.command('unreadable').description('records of the consent logs that could not be read');
  withConnection(unreadable.command('ls'))
    .description('those nobody has looked into, oldest first')
    .action(async (options: CommonOptions) => {
      const client = await connect(connection(options));
      const view = await client.ops<{ records: UnreadableRecord[] }>('/v1/unreadable-records');
      result(view, options, () =>
        view.records.length === 0
          ? 'every record could be read, or was looked into'
          : view.records
              .map(({ topic, partition, offset, reason, at }) => `${topic} ${partition} ${offset} ${at}  ${reason}`)
              .join('\n'),
      );
      if (view.records.length > 0) process.exitCode = exitCode.checkFailed;
    });

  withConnection(unreadable.command('dismiss <topic> <partition> <offset> <at>'))
    .description(
      'you have found out what the record was that `ls` lists so: it no longer keeps everything from being called enforced',
    )
    .requiredOption('--reason <text>', 'what it was and what was done about it, for the audit log')
    .action(async (...given: [string, string, string, string, CommonOptions & { reason: string }]) => {
      const [topic, place, offset, at, options] = given;
      if (!/^\d{1,9}$/.test(place)) throw new InvalidArgumentError('a partition is a whole number');
      const body = { topic, partition: Number(place), offset, at, reason: options.reason };
      const done = await (
        await connect(connection(options))
      ).ops<{ dismissed: true }>('/v1/unreadable-records/dismiss', body);
      result(done, options, () => `${topic} ${place} ${offset} is dismissed`);
    });
}
