// Prints `passed failed skipped` of a vitest JSON report. A file that did not load has no test to fail: it counts as one failure.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
).length;
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = report;
if (numPassedTests + numFailedTests + brokenFiles === 0) throw new Error('the report holds no test');
console.log(numPassedTests, numFailedTests + brokenFiles, numPendingTests + numTodoTests);
