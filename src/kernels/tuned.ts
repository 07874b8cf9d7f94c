/** Written by `bun run tune`: what was measured, by class of adapter (the driver where it is software, else the vendor). */
import type { TunedAdapter } from "./gemm_plan.ts";

export const TUNED: Readonly<Record<string, TunedAdapter>> = {
  "lavapipe": {
    "adapter": "llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1",
    "date": "2026-11-21",
    "tuning": {
      "products": [
        {
          "core": "lanes",
          "spec": {
            "ROWS": 24,
            "COLUMNS": 8
          },
          "gflops": 33.2
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 24,
            "COLUMNS": 6
          },
          "gflops": 31.1
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 32,
            "COLUMNS": 4
          },
          "gflops": 29.8
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 16,
            "COLUMNS": 8
          },
          "gflops": 29.5
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 32,
            "COLUMNS": 3
          },
          "gflops": 28.4
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 24,
            "COLUMNS": 4
          },
          "gflops": 28.3
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 16,
            "COLUMNS": 6
          },
          "gflops": 28.1
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 24,
            "COLUMNS": 3
          },
          "gflops": 27.2
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 16,
            "COLUMNS": 4
          },
          "gflops": 26.7
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 16,
            "COLUMNS": 2
          },
          "gflops": 26.3
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 24,
            "COLUMNS": 2
          },
          "gflops": 24.4
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 32,
            "COLUMNS": 2
          },
          "gflops": 24.2
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 8,
            "COLUMNS": 8
          },
          "gflops": 23.9
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 32,
            "COLUMNS": 1
          },
          "gflops": 20.2
        },
        {
          "core": "lanes",
          "spec": {
            "ROWS": 16,
            "COLUMNS": 1
          },
          "gflops": 20
        }
      ],
      "winograd": {
        "inputNs": 12.4,
        "outputNs": 11.5,
        "weightNs": 13.8
      }
    }
  },
  "swiftshader": {
    "adapter": "SwiftShader driver 5.0.0",
    "date": "2026-11-21",
    "tuning": {
      "products": [
        {
          "core": "lanes4",
          "spec": {},
          "gflops": 6.3
        }
      ],
      "winograd": {
        "inputNs": 31.1,
        "outputNs": 19.4,
        "weightNs": 28.1
      }
    }
  }
};
