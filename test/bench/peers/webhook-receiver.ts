import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A partner that takes any POST and answers after so many milliseconds: `webhook-receiver.ts <ms>`. */
const answerAfterMs = Number(process.argv[2]);
const server = createServer((request, answer) => {
  request.resume();
  request.once('end', () => void pause(answerAfterMs).then(() => answer.writeHead(200).end('{}')));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => {
  server.closeAllConnections();
  server.close();
});
