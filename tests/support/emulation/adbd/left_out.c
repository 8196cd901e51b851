/* The parts of Android that adbd links and this build leaves out. */
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Authentication: it runs without (ALLOW_ADBD_NO_AUTH), and no key is ever accepted. */

bool android_pubkey_decode(const uint8_t *buffer, size_t size, RSA **key) {
  (void)buffer;
  (void)size;
  (void)key;
  return false;
}

int RSA_verify(int type, const unsigned char *digest, unsigned digest_size,
               const unsigned char *signature, unsigned signature_size, RSA *key) {
  (void)type;
  (void)digest;
  (void)digest_size;
  (void)signature;
  (void)signature_size;
  (void)key;
  return 0;
}

void RSA_free(RSA *key) { (void)key; }

/* The table of owners and modes below /system and /vendor, where nothing is pushed here. */
void fs_config(const char *path, int is_directory, const char *out_path, unsigned *uid,
               unsigned *gid, unsigned *mode, uint64_t *capabilities) {
  (void)path;
  (void)is_directory;
  (void)out_path;
  (void)uid;
  (void)gid;
  (void)mode;
  (void)capabilities;
}
