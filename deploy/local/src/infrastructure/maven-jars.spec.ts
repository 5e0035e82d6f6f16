import { expect, test } from '@jest/globals';
import { readInfrastructureConfig } from './config.ts';
import { checkJava, javaMajor } from './maven-jars.ts';

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['openjdk version "21" 2023-09-19', 21],
  ['openjdk version "25-ea" 2025-09-16', 25],
  ['java version "1.8.0_392"', 8],
  ['Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "11.0.2" 2019-01-15', 11],
  ['no such thing', undefined],
])('%j is Java %p', (answer, major) => {
  expect(javaMajor(answer)).toBe(major);
});

test('without Java one line says what to install', async () => {
  await expect(checkJava(readInfrastructureConfig({ JAVA_HOME: '/nowhere' }))).rejects.toThrow(
    /^Java 17\+ not found: install openjdk-17-jre-headless or newer, start Docker, or set KAFKA_BOOTSTRAP$/,
  );
});
