import type { Metadata } from '@grpc/grpc-js';
import { provenanceOf } from '../../status/provenance.js';
import { cut } from '../../text.js';
import type { Answer, Source } from '../strategy.js';

/** Longest part of a label that comes from another process. */
const LONGEST_LABEL = 64;

/**
 * The label of a secondary's answer. If a gateway that uses failsoft answered with a fallback of its own, the label has both
 * sources, and the age: a kept answer or a default must not look like the smaller model's own.
 */
export function labelOf(
  name: Source,
  headers: Metadata | undefined,
): Pick<Answer<unknown>, 'source' | 'ageMs'> {
  const provenance = headers && provenanceOf(headers);
  if (provenance?.degraded !== true) return { source: name };
  const { source, ageMs } = provenance.upstream ?? provenance;
  const label = `${name}/${cut(source.replace(/[^\w:./-]/g, '?'), LONGEST_LABEL)}`;
  return ageMs === undefined ? { source: label } : { source: label, ageMs };
}
