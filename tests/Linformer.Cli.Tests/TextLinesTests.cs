using System.IO.Pipes;
using System.Text;

namespace Linformer.Cli.Tests;

public sealed class TextLinesTests
{
    [Fact]
    public void A_mark_of_byte_order_and_ends_of_lines_are_no_text()
    {
        Lines([0xEF, 0xBB, 0xBF, .. "für\r\n\nend ☃"u8]).ShouldBe(["für", "", "end ☃"]);
        Lines([]).ShouldBeEmpty();
    }

    [Fact]
    public void Bytes_that_are_not_UTF8_are_an_error_that_names_the_line()
    {
        using var lines = TextLines.Read(new MemoryStream([.. "one\n"u8, 0x61, 0xFF, .. "\nthree\n"u8]), "texts.txt", CancellationToken.None).GetEnumerator();

        lines.MoveNext().ShouldBeTrue();
        lines.Current.ShouldBe("one");
        Should.Throw<CommandException>(() => lines.MoveNext()).Message.ShouldBe("texts.txt, line 2: is not valid UTF-8.");
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Should.Throw<CommandException>(() => TextLines.Read("/nowhere/texts.txt", CancellationToken.None)).Message.ShouldBe("/nowhere/texts.txt: there is no such file.");

    [Fact]
    public void A_wait_for_a_line_that_never_comes_can_be_ended()
    {
        using var silent = new AnonymousPipeServerStream(PipeDirection.Out);
        using var cancellation = new CancellationTokenSource();
        var input = new AnonymousPipeClientStream(PipeDirection.In, silent.ClientSafePipeHandle);
        silent.Write(Encoding.UTF8.GetBytes("first\n"));
        using var lines = TextLines.Read(input, "standard input", cancellation.Token).GetEnumerator();
        lines.MoveNext().ShouldBeTrue();
        lines.Current.ShouldBe("first");

        cancellation.Cancel();

        Should.Throw<OperationCanceledException>(() => lines.MoveNext());
    }

    private static string[] Lines(byte[] bytes) => [.. TextLines.Read(new MemoryStream(bytes), "a file", CancellationToken.None)];
}
