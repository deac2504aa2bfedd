import { status } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry, provenanceOf } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { echoMethods, type Message, startEcho } from '../support/echo-service.js';
