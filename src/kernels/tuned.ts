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
        "2": {
          "inputNs": 16.4,
          "outputNs": 15.2,
          "weightNs": 13
        },
        "3": {
          "inputNs": 13.5,
          "outputNs": 11.2,
          "weightNs": 16.3
        }
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
        "2": {
          "inputNs": 32.8,
          "outputNs": 29.2,
          "weightNs": 26
        },
        "3": {
          "inputNs": 33.1,
          "outputNs": 23.1,
          "weightNs": 33.9
        }
      }
    }
  }
};
