"""The wheels that devices are given, pinned by version and SHA-256; data alone.

Made by asking pip for each machine and Python (`pip install --dry-run --report -`, `--platform`,
`--python-version` and `--only-binary=:all:`); to move to newer ones, ask again. What is not listed
does not exist: ai-edge-litert left Python 3.9 after 2.1.0. tflite-runtime, the only one for armv7l,
ended with Python 3.11, and needs glibc 2.34 from 2.14.0 on; Debian 11 has 2.31, hence 2.11.0, which
also takes its numpy 1.19.5. numpy, pillow and onnxruntime have no armv7l wheels at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Wheel:
    """One file of the package index.

    Attributes:
        package: the distribution's name.
        version: of the distribution.
        glibc: the oldest one it runs with (PEP 600).
        machine: as `uname -m` says.
        python: "3.11": CPython of this version alone.
        sha256: of the wheel file.
    """

    package: str
    version: str
    glibc: tuple[int, int]
    machine: str
    python: str
    sha256: str

    @property
    def title(self) -> str:
        """Name and version, as results name a runtime."""
        return f"{self.package} {self.version}"


# A package with its version and glibc, then a line for each wheel: machine, Python, SHA-256.
_TABLE = """
ai-edge-litert 2.1.0 glibc 2.27
  aarch64 3.9 a9ede3c293151a74adfa12bac8b8ce87ec01dc586ec3cea122ac714650c841bf
  x86_64 3.9 422700fce3acf072bc0d58d7863ec16631f08b1daddefc87c008de6e4cda3167
ai-edge-litert 2.3.0 glibc 2.27
  aarch64 3.10 a72fc35d66c1d8b17f52b195bfb39b89aa839d39ea6e0d57fb88d77ac5aeb8c9
  aarch64 3.11 853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae
  aarch64 3.12 9891611b23a87cc2ace60e4b5ee9a2ee6f0fb7f395f009470961ae6e6310e1b8
  aarch64 3.13 2ab71e4f5dfa65b3882634b42755f455f3e7415630d720200bd792733e15e257
  aarch64 3.14 899b41423b30f3cef1ce8a361443092fdeefc4d536132511634fa21548347b0a
  x86_64 3.10 e104683ee0dead1243002a218637cc435c36fdb01103799335027252314e727b
  x86_64 3.11 1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23
  x86_64 3.12 dc9f56c23e0dcf182b6c35f23fbb102ed048296588882b806d5eff7654c04c88
  x86_64 3.13 985ac3823fe1d5d6a04cf5f613cc2adf98a9c8a456af0b5efa8d9ac6b118ea14
  x86_64 3.14 695f5164b66ebdb0a3bbb4edc4d7024e87c65a0e417d48d0a2db2503bc01b78d
numpy 2.0.2 glibc 2.17
  aarch64 3.9 1e795a8be3ddbac43274f18588329c72939870a16cae810c2b73461c40718ab1
  x86_64 3.9 f26b258c385842546006213344c50655ff1555a9338e2e5e02a0756dc3e803dd
numpy 2.2.6 glibc 2.17
  aarch64 3.10 efd28d4e9cd7d7a8d39074a4d44c63eda73401580c5c76acda2ce969e0a38e83
  aarch64 3.11 b64d8d4d17135e00c8e346e0a738deb17e754230d7e0810ac5012750bbd85a5a
  aarch64 3.12 f2618db89be1b4e05f7a1a847a9c1c0abd63e63a1607d892dd54668dd92faf87
  aarch64 3.13 f92729c95468a2f4f15e9bb94c432a9229d0d50de67304399627a943201baa2f
  x86_64 3.10 fc7b73d02efb0e18c000e9ad8b83480dfcd5dfd11065997ed4c6747470ae8915
  x86_64 3.11 ba10f8411898fc418a521833e014a77d3ca01c15b0c6cdcce6a0d2897e6dbbdf
  x86_64 3.12 fd83c01228a688733f1ded5201c678f0c53ecc1006ffbc404db9f7a899ac6249
  x86_64 3.13 1bc23a79bfabc5d056d106f9befb8d50c31ced2fbc70eedb8155aec74a45798f
numpy 2.3.5 glibc 2.27
  aarch64 3.14 727fd05b57df37dc0bcf1a27767a3d9a78cbbc92822445f32cc3436ba797337b
  x86_64 3.14 fffe29a1ef00883599d1dc2c51aa2e5d80afe49523c261a74933df395c15c520
onnxruntime 1.19.2 glibc 2.27
  aarch64 3.9 df2a94179a42d530b936f154615b54748239c2908ee44f0d722cb4df10670f68
  x86_64 3.9 fae4b4de45894b9ce7ae418c5484cbf0341db6813effec01bb2216091c52f7fb
onnxruntime 1.23.2 glibc 2.27
  aarch64 3.10 8f7d1fe034090a1e371b7f3ca9d3ccae2fabae8c1d8844fb7371d1ea38e8e8d2
  x86_64 3.10 4ca88747e708e5c67337b0f65eed4b7d0dd70d22ac332038c9fc4635760018f7
onnxruntime 1.31.1 glibc 2.28
  aarch64 3.11 da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
  aarch64 3.12 0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc
  aarch64 3.13 dcaedc50333876f3829ab966b242147f0e548229e29c36fe44622ecf748c25ee
  aarch64 3.14 c878686b75cade1ed59131aa018ab004b1e64368b0d54041912450b9642cf04f
  x86_64 3.11 5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
  x86_64 3.12 1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536
  x86_64 3.13 74a6a52994616c4d18b33db1e13c226333a70a6ba07480a5cab9c2a50dff1430
  x86_64 3.14 c20d7f15d84427db070b163f78c2c7146cc93edd6113fa7327671259a24184fe
pillow 11.3.0 glibc 2.17
  aarch64 3.9 23cff760a9049c502721bdb743a7cb3e03365fafcdfc2ef9784610714166e5a4
  x86_64 3.9 6359a3bc43f57d5b375d1ad54a0074318a0844d11b76abccf478c37c986d3cfc
pillow 12.3.0 glibc 2.27
  aarch64 3.10 5594fc43d548a7ed94949d139aa1341b270f1863f11cfd37f5a6c8b778a6b67f
  x86_64 3.10 f0606c8bf2cdefea14a43530f7657cbbb7ecf1c4222512492ef4a4434a9501ec
pillow 13.0.0 glibc 2.27
  aarch64 3.11 7c88c10dd432f3b39ccdafc9ed81d0c21b8fd634502574da76d1bfa4fe2c76d0
  aarch64 3.12 8bf295fe459343bc6093c8e5e0df60bfa189e0fcb775a22e2c2488fdeccc6c0d
  aarch64 3.13 19b66ca0a4d25cc0200b381ce824c7ea090db61427315e73cfb05dbf1b35c369
  aarch64 3.14 5933fcea5a5ba64c686f55c886a115cbfd92f2900460784a1e79909fdbafd7b6
  x86_64 3.11 a625df9a2a5597fa5e5266e01aefc82604bb85d291e3547981e863560d75da6c
  x86_64 3.12 42d63be3af4f9b951b199b0a9d23365d37ab14687e6d77b74940432c8515c4ca
  x86_64 3.13 5f56499c1a74d2b862beb0c33b8016f99d095858455df9d21583bbbc1c15b582
  x86_64 3.14 e91c2b1cbeae768c98752e67e717e283d68dae45717b41f2d91eaee648e37b7d
tflite-runtime 2.11.0 glibc 2.17
  armv7l 3.9 1cf50a6c51147d70299f4469f6cfab732f38f6ee7999df287155513e742360e6
tflite-runtime 2.14.0 glibc 2.34
  armv7l 3.10 7fe33f763263d1ff2733a09945a7547ab063d8bc311fd2a1be8144d850016ad3
  armv7l 3.11 c4e66a74165b18089c86788400af19fa551768ac782d231a9beae2f6434f7949
"""


def _wheels() -> Iterator[Wheel]:
    package = version = glibc = ""
    for line in _TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            package, version, _, glibc = words
            continue
        machine, python, sha256 = words
        major, minor = glibc.split(".")
        yield Wheel(package, version, (int(major), int(minor)), machine, python, sha256)


WHEELS = tuple(_wheels())
