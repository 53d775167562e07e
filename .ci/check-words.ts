/*
 * Fails if the sources contain an identifier that was invented for this project although a standard term exists.
 * The glossary in ARCHITECTURE.md lists the terms to use.
 */
import { spawnSync } from 'node:child_process';

const words = [
  // API keys and rotation
  'issuer',
  'checker',
  'minted',
  'sealed',
  'sealer',
  'settle',
  'settlement',
  'namesakes',
  'leaveEpoch',
  'graceMs',
  'settleMs',
  'activationMs',
  'deleteFirst',
  'foreignRing',
  'orphanSwept',
  'contended',
  // HTTP and errors
  'scrubber',
  'pieceScrubber',
  'callScope',
  'answerOf',
  'Answered',
  'jsonAnswer',
  'AnswerRefused',
  'AnswerMismatch',
  'askForCompletion',
  'bearerFetch',
  'credentialSource',
  // Emulator
  'distort',
  'metFaults',
  'spoken',
  'keyVault',
  'usageLedger',
  'EmulatedAnswer',
  // Prefixes of constants
  'MOST_\\w+',
  'LONGEST_\\w+',
  'SHORTEST_\\w+',
  'LARGEST_\\w+',
];

const pattern = `\\b(${words.join('|')})\\b`;
const { status, stdout } = spawnSync('git', ['grep', '-n', '-P', pattern, '--', 'src', 'examples'], {
  encoding: 'utf8',
});
// `git grep` exits with 1 if there is no match.
if (status !== 1) {
  console.log(`${stdout}Use the terms in the glossary of ARCHITECTURE.md instead.`);
  process.exitCode = 1;
}
