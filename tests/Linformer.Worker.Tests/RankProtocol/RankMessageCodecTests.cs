using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.RankProtocol;

public sealed class RankMessageCodecTests
{
    private static readonly RankMessage[] RankMessages =
    [
        new ProgressMessage(1, 2, double.NaN, double.PositiveInfinity, -0.5, 1, null, 3),
        new RankSampleMessage(7, 3, 1024, 0.25, double.NaN, double.NegativeInfinity, -1, 5e-324, 1e308, long.MaxValue, -1, 2, 9),
        new CheckpointedMessage("l0000-g0001-s00000001", "/a\nb/☃"),
        new FinishedMessage("""{"a":"b"}"""),
        new FailedMessage("two\nlines", PeerLost: true),
        new RendezvousGetMessage(long.MaxValue, "key"),
    ];

    [Fact]
    public void MessagesComeBackFromOneLine()
    {
        foreach (var message in RankMessages)
        {
            var line = RankMessageCodec.ToLine(message);
            line.Count(b => b == '\n').ShouldBe(1);
            RankMessageCodec.ReadRankMessage(line.AsSpan()[..^1]).ShouldBe(message);
        }

        var start = new StartMessage(2, 1, "{\n}", "/storage", "/corpus", "/run", "/model");
        RankMessageCodec.ReadLauncherMessage(RankMessageCodec.ToLine(start)).ShouldBe(start);
        RankMessageCodec.ReadLauncherMessage(RankMessageCodec.ToLine(new StopMessage())).ShouldBe(new StopMessage());
    }

    [Fact]
    public void TheWireFormatIsTheDocumentedOne()
    {
        Encoding.UTF8.GetString(RankMessageCodec.ToLine(new RendezvousSetMessage("a", [1, 2, 255], 7))).ShouldBe("""{"type":"rendezvous-set","key":"a","value":"AQL/","generation":7}""" + "\n");
        Encoding.UTF8.GetString(RankMessageCodec.ToLine(new ProgressMessage(1, 2, double.NaN, 0.5, 3, Generation: 4, WorldSize: 5))).ShouldBe(
            """{"type":"progress","step":1,"totalSteps":2,"loss":"NaN","learningRate":0.5,"tokensPerSecond":3,"lineage":0,"generation":4,"worldSize":5}""" + "\n");
        Encoding.UTF8.GetString(RankMessageCodec.ToLine(new RankSampleMessage(7, 3, 1024, 0.5, 1, 2, 0.25, 0.125, 0, 4096, 8192, 1, 9))).ShouldBe(
            """{"type":"sample","step":7,"steps":3,"tokens":1024,"dataSeconds":0.5,"forwardSeconds":1,"backwardSeconds":2,"reduceSeconds":0.25,"updateSeconds":0.125,"otherSeconds":0,"memoryBytes":4096,"peakMemoryBytes":8192,"lineage":1,"generation":9}""" + "\n");
        RankMessageCodec.ReadRankMessage("""{"summaryJson":"x","added-later":1,"type":"finished"}"""u8).ShouldBe(new FinishedMessage("x"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("3")]
    [InlineData("""{"type":"unknown"}""")]
    [InlineData("""{"type":3}""")]
    [InlineData("""{"type":"finished"}""")]
    [InlineData("""{"type":"finished","summaryJson":null}""")]
    [InlineData("""{"type":"progress","step":"x"}""")]
    [InlineData("""{"type":"sample","step":1}""")]
    [InlineData("""{"type":"rendezvous-set","key":"a","value":"no base64!"}""")]
    [InlineData("""{"type":"start","member":1}""")]
    public void OtherLinesAreRefused(string line) =>
        Should.Throw<RankProtocolException>(() => RankMessageCodec.ReadRankMessage(Encoding.UTF8.GetBytes(line)));

    [Fact]
    public void DamagedLinesGiveMessagesOrProtocolExceptions()
    {
        var change = from message in Gen.Elements(RankMessages)
                     from position in Gen.Choose(0, 1000)
                     from value in Gen.Choose(0, 255)
                     from length in Gen.Choose(0, 1000)
                     select (RankMessageCodec.ToLine(message), position, (byte)value, length);
        var refused = 0;

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(change.ToArbitrary(), damage =>
        {
            var (line, position, value, length) = damage;
            line[position % line.Length] = value;
            try
            {
                RankMessageCodec.ReadRankMessage(line.AsSpan(0, Math.Min(length, line.Length)));
            }
            catch (RankProtocolException)
            {
                refused++;
            }
        }));

        refused.ShouldBeGreaterThan(1000);
    }

    [Fact]
    public void AMessageThatIsTooLongIsNotSent() =>
        Should.Throw<ArgumentException>(() => RankMessageCodec.ToLine(new FinishedMessage(new string('x', 1 << 20)))).Message.ShouldContain("allowed are 1048576");
}
