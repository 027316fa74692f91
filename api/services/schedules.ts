export interface ScheduleService {
  readonly placeholder?: never;
}
