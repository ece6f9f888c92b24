package io.github.realtimegateway.core

import java.io.DataInputStream
import java.io.File
import kotlin.test.Test
import kotlin.test.assertTrue

/** Reads the sizes of methods out of class files (chapter 4 of the JVM specification). */
private fun methods(file: File): Map<String, Int> = DataInputStream(file.inputStream().buffered()).use { input ->
    input.skipNBytes(8)
    val names = HashMap<Int, String>()
    val constants = input.readUnsignedShort()
    var index = 1
    while (index < constants) {
        when (val tag = input.readUnsignedByte()) {
            1 -> names[index] = input.readUTF()
            7, 8, 16, 19, 20 -> input.skipNBytes(2)
            15 -> input.skipNBytes(3)
            3, 4, 9, 10, 11, 12, 17, 18 -> input.skipNBytes(4)
            5, 6 -> {
                input.skipNBytes(8)
                index++
            }
            else -> error("${file.name} has a constant with the tag $tag")
        }
        index++
    }
    input.skipNBytes(6)
    input.skipNBytes(2L * input.readUnsignedShort())
    val sizes = HashMap<String, Int>()
    for (kind in listOf("field", "method")) {
        repeat(input.readUnsignedShort()) {
            input.skipNBytes(2)
            val name = names[input.readUnsignedShort()]
            input.skipNBytes(2)
            repeat(input.readUnsignedShort()) {
                val attribute = names[input.readUnsignedShort()]
                val length = input.readInt()
                if (kind == "method" && attribute == "Code") {
                    input.skipNBytes(4)
                    val size = input.readInt()
                    sizes.merge("${file.name}: $name", size, ::maxOf)
                    input.skipNBytes(length - 8L)
                } else {
                    input.skipNBytes(length.toLong())
                }
            }
        }
    }
    sizes
}

class ClassFilesTest {
    /** HotSpot never compiles longer methods, so they would be 100 times as slow. */
    @Test
    fun `no method has more than 8000 bytes`() {
        val classes = File("target/classes/io/github/realtimegateway").walk().filter { it.extension == "class" }.toList()
        assertTrue(classes.any { it.name.startsWith("CoreModuleMachine") })
        val sizes = classes.flatMap { methods(it).entries }
        assertTrue(sizes.size > 1_000)
        val long = sizes.filter { it.value >= 8_000 }.map { "${it.key} has ${it.value} bytes" }
        assertTrue(long.isEmpty(), long.joinToString())
    }
}
