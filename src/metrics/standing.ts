/** Gauges that show how something stands, read each time that somebody looks. */
import { Gauge, type Registry } from 'prom-client';

type ShowGauge<Standing> = (name: string, help: string, read: (now: Standing) => number) => void;

/** @returns what registers one gauge of this standing */
export function gaugesOf<Standing>(
  registry: Registry,
  standing: () => Standing,
): ShowGauge<Standing> {
  return (name, help, read) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read(standing()));
      },
    });
  };
}
