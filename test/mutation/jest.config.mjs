// The unit and property tests of the pure cores, and nothing that needs a server: a mutant is judged in about a second.
import config from '../../jest.config.mjs';

const [unit] = config.projects;
const cores = [
  'libs/gate/src/step/',
  'libs/connector-runtime/src/delivery-step/',
  'libs/outbox/src/relay/',
  'services/consent/src/ledger/',
  'services/ops/src/tracker/',
  'test/properties/permission',
];

export default {
  ...unit,
  rootDir: '../..',
  testRegex: cores.map((core) => `${core}[^/]*(?<!\\.(it|e2e)-)(?<=\\.)spec\\.ts$`),
};
