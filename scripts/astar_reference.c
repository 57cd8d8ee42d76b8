/* A* with a binary heap on an 8-connected grid, corner cutting allowed: what plain C reaches on one core.

   Compiled and called by scripts/_benchmark_grid.py. Cells are numbered row by row; straight moves cost 1, diagonal
   ones sqrt 2, in single precision. Worse entries of a cell stay in the heap and are skipped when they come up. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIAGONAL 1.41421356f

typedef struct {
    float key;  /* cost so far + estimate */
    float cost; /* cost so far; of equal keys the larger one comes first */
    int cell;
} Entry;

typedef struct {
    Entry *entries;
    size_t size, room;
} Heap;

static int before(Entry a, Entry b) { return a.key < b.key || (a.key == b.key && a.cost > b.cost); }

static void push(Heap *heap, Entry entry) {
    if (heap->size == heap->room) {
        heap->room = heap->room ? 2 * heap->room : 1 << 16;
        heap->entries = realloc(heap->entries, heap->room * sizeof(Entry));
    }
    size_t place = heap->size++;
    while (place && before(entry, heap->entries[(place - 1) / 2])) {
        heap->entries[place] = heap->entries[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    heap->entries[place] = entry;
}

static Entry pop(Heap *heap) {
    Entry *entries = heap->entries, top = entries[0], last = entries[--heap->size];
    size_t place = 0, child;
    while ((child = 2 * place + 1) < heap->size) {
        if (child + 1 < heap->size && before(entries[child + 1], entries[child])) child++;
        if (!before(entries[child], last)) break;
        entries[place] = entries[child];
        place = child;
    }
    entries[place] = last;
    return top;
}

static float octile(int rows, int columns) {
    rows = abs(rows), columns = abs(columns);
    int straight = rows > columns ? rows : columns, diagonal = rows > columns ? columns : rows;
    return straight + (DIAGONAL - 1) * diagonal;
}

/* Cost of the best path; infinite where there is none. The caller lends [n * n] costs, parents and closed flags. */
double astar(const unsigned char *blocked, int n, int start, int goal, float *costs, int *parents,
             unsigned char *closed) {
    static const int ROWS[8] = {-1, 1, 0, 0, -1, -1, 1, 1}, COLUMNS[8] = {0, 0, -1, 1, -1, 1, -1, 1};
    static Heap heap;
    size_t cells = (size_t)n * n;
    for (size_t cell = 0; cell < cells; cell++) costs[cell] = INFINITY;
    memset(closed, 0, cells);
    heap.size = 0;
    costs[start] = 0;
    parents[start] = start;
    push(&heap, (Entry){octile(start / n - goal / n, start % n - goal % n), 0, start});
    while (heap.size) {
        Entry best = pop(&heap);
        if (closed[best.cell]) continue;
        if (best.cell == goal) return best.cost;
        closed[best.cell] = 1;
        int row = best.cell / n, column = best.cell % n;
        for (int move = 0; move < 8; move++) {
            int i = row + ROWS[move], j = column + COLUMNS[move], next = i * n + j;
            if ((unsigned)i >= (unsigned)n || (unsigned)j >= (unsigned)n || blocked[next] || closed[next]) continue;
            float cost = best.cost + (move < 4 ? 1.0f : DIAGONAL);
            if (cost >= costs[next]) continue;
            costs[next] = cost;
            parents[next] = best.cell;
            push(&heap, (Entry){cost + octile(i - goal / n, j - goal % n), cost, next});
        }
    }
    return INFINITY;
}
