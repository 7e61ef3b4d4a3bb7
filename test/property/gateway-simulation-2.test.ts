/**
 * The second quarter of the ten thousand schedules; what they hold stands in `gateway-schedule.ts`.
 */
import { testShare } from '../support/gateway-schedules.ts';

testShare(2);
