import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Lets the translated core ignore that its thread is interrupted. Chicory ends a call then, which is of use for endless
 * programs. The core's calls take microseconds, and one that ends in the middle ends all clients of its instance.
 *
 * <p>It changes one instruction of checkInterruption(): "if (Thread.currentThread().isInterrupted())" becomes "… &lt; 0".
 */
final class IgnoreInterruption {
    private static final int IFEQ = 0x99;
    private static final int IFGE = 0x9c;

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        byte[] code = Files.readAllBytes(path);
        int found = 0;
        for (int at = 0; at + 10 < code.length; at++) {
            // invokestatic, invokevirtual, ifeq 14, new: no other method of the class has this sequence.
            boolean isCheck = unsigned(code, at) == 0xb8 && unsigned(code, at + 3) == 0xb6
                && (unsigned(code, at + 6) == IFEQ || unsigned(code, at + 6) == IFGE)
                && code[at + 7] == 0 && code[at + 8] == 14 && unsigned(code, at + 9) == 0xbb;
            if (isCheck) {
                code[at + 6] = (byte) IFGE;
                found++;
            }
        }
        if (found != 1) {
            throw new IllegalStateException(path + ": checkInterruption() was found " + found + " times instead of once");
        }
        Files.write(path, code);
    }

    private static int unsigned(byte[] code, int at) {
        return code[at] & 0xff;
    }
}
