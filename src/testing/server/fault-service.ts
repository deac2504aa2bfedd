import { status } from '@grpc/grpc-js';
import { isFailsoftError } from '../../errors.js';
import type { FaultServiceServer } from '../../gen/failsoft/mock/v1/fault.js';
import type { FaultBoard } from '../faults/fault-board.js';
import { planFromMessage, planToMessage } from '../faults/plan-message.js';
import { withoutTrailers } from './error-status.js';
import { StatusError, unary } from './unary.js';

/** failsoft.mock.v1.FaultService: the fault board over gRPC. */
export function faultService(board: FaultBoard): FaultServiceServer {
  const service: FaultServiceServer = {
    setFaults: unary(({ model, faults }) => {
      known(board, model);
      return argument(() => {
        board.set(model, faults ? planFromMessage(faults) : {});
        return { faults: planToMessage(board.get(model)) };
      });
    }),
    getFaults: unary(({ model }) => ({
      faults: new Map(chosen(board, model).map((name) => [name, planToMessage(board.get(name))])),
    })),
    clearFaults: unary(({ model }) => {
      for (const name of chosen(board, model)) board.clear(name);
      return {};
    }),
  };
  return service;
}

/** An empty name stands for all models. */
function chosen(board: FaultBoard, model: string): readonly string[] {
  if (model === '') return board.models;
  known(board, model);
  return [model];
}

function known(board: FaultBoard, model: string): void {
  if (board.models.includes(model)) return;
  const details = `model: expected one of ${board.models.join(', ')}, got ${JSON.stringify(model.slice(0, 80))}`;
  throw new StatusError(withoutTrailers({ code: status.NOT_FOUND, details }));
}

function argument<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!isFailsoftError(error)) throw error;
    throw new StatusError(withoutTrailers({ code: status.INVALID_ARGUMENT, details: String(error.message) }));
  }
}
