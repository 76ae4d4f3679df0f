using Linformer.Worker.Local;

namespace Linformer.Worker.Tests.Local;

public sealed class LogTailTests
{
    [Fact]
    public void AfterAnErrorItGoesOnWhereItWas()
    {
        using var file = new MemoryStream();
        file.Write("before\n"u8);
        var lines = new List<string>();
        var broken = false;
        using var log = new LogTail(() => new Source(file, () => broken));

        file.Write("one\nhalf"u8);
        log.Poll(lines.Add).ShouldBeNull();
        file.Write(" of two\nthree\n"u8);
        broken = true;
        log.Poll(lines.Add).ShouldBe("Stale file handle");
        log.Poll(lines.Add).ShouldBe("Stale file handle");
        broken = false;
        log.Poll(lines.Add).ShouldBeNull();

        lines.ShouldBe(["one", "half of two", "three"]);
    }

    // What has been written so far, as a file of its own.
    private sealed class Source(MemoryStream file, Func<bool> isBroken) : MemoryStream
    {
        private long _position;

        public override long Length => file.Length;

        public override long Position
        {
            get => _position;
            set => _position = value;
        }

        public override long Seek(long offset, SeekOrigin loc) => _position = file.Length + offset;

        public override int Read(Span<byte> buffer)
        {
            if (isBroken())
            {
                throw new IOException("Stale file handle");
            }

            var rest = file.ToArray().AsSpan((int)_position);
            var read = Math.Min(buffer.Length, rest.Length);
            rest[..read].CopyTo(buffer);
            _position += read;
            return read;
        }
    }
}
